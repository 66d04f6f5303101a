/** The resident server's units for systemd; `install/deploy_test.ts` has systemd look at all units. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";

const UNITS = fromFileUrl(new URL("../../lib/resident/systemd", import.meta.url));

/**
 * What cni.service may say of its process: systemd.exec(5) and others have dozens of options that
 * give a service a namespace, a user or a label of its own, and every call would be declined.
 */
const HARMLESS = /^(ExecStart|Restart|KillMode|TimeoutStopSec|LimitNOFILE)=|^PrivateMounts=no$/;

/** Options of the section Service that are not known to leave a process what its callers are. */
function others(unit: string): string[] {
  const [, section = ""] = unit.split("[Service]\n");
  return section.split(/\n\[/)[0]!.split("\n")
    .filter((line) => /^\w/.test(line) && !HARMLESS.test(line));
}

Deno.test("cni.service has no option that would make it another process than its callers", () => {
  const text = Deno.readTextFileSync(`${UNITS}/cni.service`);
  assertEquals(others(text), []);
  for (const option of ["PrivateTmp=yes", "LoadCredential=a", "Group=adm", "PrivateMounts=yes"]) {
    assertEquals(others(`${text}${option}\n`), [option]);
  }
});
