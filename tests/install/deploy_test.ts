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
