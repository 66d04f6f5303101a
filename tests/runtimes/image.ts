import type { Host } from "./host.ts";

/** Makes a docker-archive of one layer, a root file system with busybox; its containers sleep. */
export async function archive(host: Host, references: readonly string[]): Promise<string> {
  const root = await host.rootfs("image");
  const directory = await Deno.makeTempDir({ dir: "/run", prefix: "image-" });
  await Deno.chmod(directory, 0o755); // An ordinary user's podman loads it, too.
  await host.run("tar", ["-C", root, "--numeric-owner", "-cf", `${directory}/layer.tar`, "."]);
  const layer = await Deno.readFile(`${directory}/layer.tar`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", layer)).toHex();
  const config = {
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: {
      Env: ["PATH=/bin:/sbin"],
      // A sleeping first process of a namespace ignores any other.
      StopSignal: "SIGKILL",
      Entrypoint: ["/bin/sleep", "1000000"],
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
    history: [{ created_by: "tests" }],
  };
  const manifest = [{ Config: "config.json", RepoTags: references, Layers: ["layer.tar"] }];
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(config));
  await Deno.writeTextFile(`${directory}/manifest.json`, JSON.stringify(manifest));
  const files = ["manifest.json", "config.json", "layer.tar"];
  await host.run("tar", ["-C", directory, "-cf", `${directory}/image.tar`, ...files]);
  return `${directory}/image.tar`;
}
