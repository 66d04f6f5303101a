/**
 * `deploy/Containerfile`, built on a root made of Debian's glibc, and its image as a kubelet starts it.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ended } from "../support/install_project.ts";
import { fromFileUrl } from "../support/paths.ts";
import { missing, reportSkip } from "../support/requirements.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

const lacks = missing(["root", "buildah", "dpkg-query", "setpriv"]);
if (lacks) reportSkip("the image installs into a directory of the host", lacks);

Deno.test({
  name: "the image installs into a directory of the host, read-only as it is",
  ignore: lacks !== undefined,
  async fn() {
    const directory = Deno.makeTempDirSync({ prefix: "image-" });
    try {
      await installFromImage(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

async function installFromImage(directory: string): Promise<void> {
  const context = `${directory}/context`;
  const build = ["run", "--allow-all", "--no-check", `${ROOT}/scripts/build.ts`];
  const env = { NO_COLOR: "1", HOME: Deno.env.get("HOME") ?? "/", PATH: Deno.env.get("PATH")! };
  await succeeded(Deno.execPath(), [...build, "--runtime", "bun", "--out", context], env);
  const buildah = async (...args: string[]) => {
    const storage = [`--root=${directory}/root`, `--runroot=${directory}/run`];
    return await succeeded("buildah", [...storage, "--storage-driver=vfs", ...args], env);
  };
  // In the place of the distroless image: the files of Debian's package of glibc.
  const base = await buildah("from", "scratch");
  const files = (await succeeded("dpkg-query", ["--listfiles", "libc6"], env)).split("\n")
    .filter((path) => /\.so(\.\d+)?$/.test(path) && !path.includes("/gconv/"));
  // The package's directory may be a link (/lib).
  for (const path of files) await buildah("copy", "--quiet", base, Deno.realPathSync(path), path);
  await buildah("commit", "--quiet", base, "localhost/glibc");
  const containerfile = `${ROOT}/deploy/Containerfile`;
  const from = ["--build-arg", "BASE=localhost/glibc", "--pull-never"];
  await buildah(
    "bud",
    "--quiet",
    ...from,
    "--file",
    containerfile,
    "--tag",
    "localhost/cni",
    context,
  );
  const container = await buildah("from", "--pull-never", "localhost/cni");
  const image = await buildah("mount", container);

  const host = `${directory}/host`;
  Deno.mkdirSync(host);
  Deno.mkdirSync(`${image}/host/opt/cni/bin`, { recursive: true });
  // What a kubelet does: a read-only root, /proc, the host's directory.
  const script = 'mount --bind -o ro "$1" "$1" && mount -t proc proc "$1/proc" && ' +
    'mount --bind "$2" "$1/host/opt/cni/bin" && exec chroot "$1" /cni install /host/opt/cni/bin';
  Deno.mkdirSync(`${image}/proc`, { recursive: true });
  const { code, stderr } = await ended("unshare", [
    "--mount",
    "sh",
    "-c",
    script,
    "sh",
    image,
    host,
  ]);
  assertEquals(code, 0, stderr);
  assertStringIncludes(
    (await ended(`${host}/bridge`, ["--version"])).stdout,
    "CNI bridge plugin",
  );
  assertStringIncludes(stderr, "is in /host/opt/cni/bin");
  await buildah("umount", container);

  // Nor does it need capabilities.
  const bare = ["--bounding-set=-all", "--inh-caps=-all"];
  Deno.mkdirSync(`${directory}/bare`);
  await succeeded("setpriv", [...bare, `${context}/cni`, "install", `${directory}/bare`], {});
  await succeeded(`${directory}/bare/bridge`, ["--version"], {});
}

async function succeeded(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const { code, stdout, stderr } = await ended(program, args, env);
  assertEquals(code, 0, stderr);
  return stdout.trim();
}
