/** The resident server's units for systemd. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";
import { missing, reportSkip } from "../support/requirements.ts";

const UNITS = fromFileUrl(new URL("../../lib/resident/systemd", import.meta.url));

/** What gives a service a namespace of its own: systemd.exec(5). Then every call would be declined. */
const NAMESPACE_OPTIONS =
  /^(Private\w+|Protect\w+|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|ExecPaths|NoExecPaths|BindPaths|BindReadOnlyPaths|TemporaryFileSystem|RootDirectory|RootImage|MountAPIVFS|JoinsNamespaceOf|NetworkNamespacePath|DynamicUser|User|CapabilityBoundingSet)=(?!no$)/m;

Deno.test("cni.service has no option that would make it another process than its callers", () => {
  const text = Deno.readTextFileSync(`${UNITS}/cni.service`);
  assertEquals(NAMESPACE_OPTIONS.exec(text), null);
  assertEquals(NAMESPACE_OPTIONS.exec(`${text}PrivateTmp=yes\n`)?.[1], "PrivateTmp");
});

const lacks = missing(["systemd-analyze"]);
if (lacks) reportSkip("systemd-analyze verify accepts the units", lacks);
Deno.test({
  name: "systemd-analyze verify accepts the units",
  ignore: lacks !== undefined,
  fn() {
    const directory = Deno.makeTempDirSync({ prefix: "units-" });
    try {
      for (const name of ["cni.socket", "cni.service"]) {
        const text = Deno.readTextFileSync(`${UNITS}/${name}`);
        // The executable need not be installed where this is tested.
        Deno.writeTextFileSync(
          `${directory}/${name}`,
          text.replace("/opt/cni/bin/cni", "/bin/true"),
        );
      }
      const { code, stderr } = new Deno.Command("systemd-analyze", {
        args: ["verify", "--man=no", `${directory}/cni.socket`, `${directory}/cni.service`],
      }).outputSync();
      const said = new TextDecoder().decode(stderr).split("\n")
        .filter((line) => line.includes("/cni.s"));
      assertEquals([code, said], [0, []]);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
