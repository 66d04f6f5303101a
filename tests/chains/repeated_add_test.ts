/**
 * A second ADD of an attachment that runs, with another namespace or the same one, which fails at its
 * very end: everything that the first one made is as it was.
 */
import { assertEquals } from "@std/assert";
import { NETWORKS } from "../support/faults/networks.ts";
import { differences, snapshot } from "../support/faults/snapshot.ts";
import { addInVain, plugin } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

type Config = Record<string, unknown>;

const containerId = "running";

/** Refuses nobody, so that an ADD gets to its end. */
const ipam = { type: "static", addresses: [{ address: "10.7.0.9/24", gateway: "10.7.0.1" }] };

/** What is a repeated ADD's own, and none of what another one made: addresses, and loopback's `lo`. */
const NOT_SHARED = ["host-local", "static", "loopback"];

for (const { id, plugins, needs = [], host, attachment } of NETWORKS) {
  if (NOT_SHARED.includes(id)) continue;
  kernelTest(`${id}: a repeated ADD that fails takes nothing from the one that runs`, (sandbox) => {
    host?.(sandbox);
    const running = sandbox.container();
    // Chained plugins change an interface that is there.
    const second = plugins.length > 1 ? running : sandbox.container();
    const [first, another] = [1, 2].map((number) => attachment?.(sandbox, number));
    let config: Config = {};
    let prevResult: unknown;
    for (const own of plugins) {
      const network = { cniVersion: "1.1.0", name: "net", ...own, ...first, prevResult };
      const spoofCheck = own.type === "bridge" && plugins.length === 1 && { macspoofchk: true };
      config = { ...network, ...spoofCheck, ...own.ipam ? { ipam } : {} };
      prevResult = plugin(sandbox, { command: "ADD", config, netns: running, containerId });
    }
    const before = snapshot(sandbox, { running, second });
    const repeated = { config: { ...config, ...another }, netns: second, containerId };
    assertEquals(addInVain(sandbox, repeated), 1);
    const changed = differences(before, snapshot(sandbox, { running, second }));
    assertEquals(changed.filter((line) => !/^\w+ (process |file \S+\/lock:)/.test(line)), []);
  }, { needs });
}
