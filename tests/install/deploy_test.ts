/** What `deploy/` has, and the systemd units: units, tmpfiles, an image, a DaemonSet. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ended } from "../support/install_project.ts";
import { fromFileUrl } from "../support/paths.ts";
import { missing, reportSkip, type Requirement } from "../support/requirements.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const read = (path: string) => Deno.readTextFileSync(`${ROOT}/${path}`);

const UNITS = [
  "lib/resident/systemd/cni.service",
  "lib/resident/systemd/cni.socket",
  "plugins/ipam/dhcp/systemd/cni-dhcp.service",
  "plugins/ipam/dhcp/systemd/cni-dhcp.socket",
  "plugins/meta/firewall/cni-firewall-reload.service",
];

/** A test with a directory of its own. */
function deployTest(
  name: string,
  needs: readonly Requirement[],
  test: (directory: string) => Promise<void>,
): void {
  const lacks = missing(needs);
  if (lacks) reportSkip(name, lacks);
  Deno.test({
    name,
    ignore: lacks !== undefined,
    async fn() {
      const directory = Deno.makeTempDirSync({ prefix: "deploy-" });
      try {
        await test(directory);
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    },
  });
}

deployTest("systemd-analyze verify accepts every unit", ["systemd-analyze"], async (directory) => {
  const paths = UNITS.map((path) => {
    const copy = `${directory}/${path.replace(/^.*\//, "")}`;
    // The executables need not be installed where this is tested.
    Deno.writeTextFileSync(copy, read(path).replace(/\/opt\/cni\/bin\/\S+/, "/bin/true"));
    return copy;
  });
  const { code, stderr } = await ended("systemd-analyze", ["verify", "--man=no", ...paths]);
  const said = stderr.split("\n").filter((line) => line.includes(directory));
  assertEquals([code, said], [0, []]);
});

Deno.test("every unit starts an executable that cni install puts into /opt/cni/bin", () => {
  const commands = UNITS.filter((path) => path.endsWith(".service"))
    .map((path) => /^ExecStart=(\S+)/m.exec(read(path))?.[1]);
  assertEquals(commands, ["cni", "dhcp", "firewall-reload"].map((name) => `/opt/cni/bin/${name}`));
});

deployTest(
  "tmpfiles.d makes the directories, as they are to be",
  ["root", "systemd-tmpfiles"],
  async (root) => {
    const args = ["--create", `--root=${root}`, `${ROOT}/deploy/tmpfiles.conf`];
    const { code, stderr } = await ended("systemd-tmpfiles", args);
    assertEquals([code, stderr], [0, ""]);
    const mode = (path: string) => Deno.statSync(`${root}/${path}`).mode! & 0o777;
    assertEquals(["etc/cni/net.d", "opt/cni/bin", "run/cni", "var/lib/cni"].map(mode), [
      0o755,
      0o755,
      0o700,
      0o755,
    ]);
  },
);

Deno.test("the DaemonSet mounts the host's directory where it lets the image install", () => {
  const [containerfile, manifest] = [read("deploy/Containerfile"), read("deploy/daemonset.yaml")];
  const target = /^CMD \["install", "(.+)"\]$/m.exec(containerfile)?.[1];
  assertStringIncludes(manifest, `args: ["install", "${target}"]`);
  assertStringIncludes(manifest, `mountPath: ${target}\n`);
  const { version } = JSON.parse(read("deno.json"));
  for (const text of [containerfile, manifest]) assertStringIncludes(text, `cni:${version}`);
});

const IMAGE = ["root", "buildah", "dpkg-query", "setpriv"];
deployTest(
  "the image installs into a directory of the host, read-only as it is",
  IMAGE,
  async (directory) => {
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
  },
);

async function succeeded(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const { code, stdout, stderr } = await ended(program, args, env);
  assertEquals(code, 0, stderr);
  return stdout.trim();
}
