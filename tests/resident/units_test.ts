/** The resident server's units for systemd; `install/deploy_test.ts` has systemd look at all units. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "../support/paths.ts";

const UNITS = fromFileUrl(new URL("../../lib/resident/systemd", import.meta.url));

/** What gives a service a namespace of its own: systemd.exec(5). Then every call would be declined. */
const NAMESPACE_OPTIONS =
  /^(Private\w+|Protect\w+|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|ExecPaths|NoExecPaths|BindPaths|BindReadOnlyPaths|TemporaryFileSystem|RootDirectory|RootImage|MountAPIVFS|JoinsNamespaceOf|NetworkNamespacePath|DynamicUser|User|CapabilityBoundingSet)=(?!no$)/m;

Deno.test("cni.service has no option that would make it another process than its callers", () => {
  const text = Deno.readTextFileSync(`${UNITS}/cni.service`);
  assertEquals(NAMESPACE_OPTIONS.exec(text), null);
  assertEquals(NAMESPACE_OPTIONS.exec(`${text}PrivateTmp=yes\n`)?.[1], "PrivateTmp");
});
