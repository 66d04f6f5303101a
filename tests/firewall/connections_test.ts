import { assertEquals } from "@std/assert";
import { BACKENDS } from "../../lib/firewall/backend_names.ts";
import { gcPorts, publishPorts } from "../../lib/firewall/ports/mod.ts";
import { restoreRules } from "../../lib/firewall/reload.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { CT_GET } from "../../lib/netlink/conntrack.ts";
import { dumpsOf } from "../support/netlink_use.ts";
import { kernelTest } from "../support/sandbox.ts";

/** Runs `work`. Returns the purposes of its dumps of the kernel's connections. */
async function dumpsDuring(work: () => Promise<void>): Promise<string[]> {
  const dumps = await dumpsOf(work);
  return dumps.filter(({ type }) => type === CT_GET).map(({ purpose }) => purpose).sort();
}

for (const backend of BACKENDS) {
  kernelTest(
    `ports (${backend}): connections are read once, for however many attachments`,
    async (sandbox) => {
      const options = { snat: true, masqAll: false, markBit: 13, setMarkChain: undefined };
      const containers = Array.from({ length: 3 }, () => sandbox.container());
      for (const [i, { path }] of containers.entries()) {
        const mappings = [{ protocol: "udp" as const, hostPort: 5000 + i, containerPort: 53 }];
        for (const [j, network] of ["n", "m"].entries()) {
          const attachment = { network, containerId: `c${i}`, ifName: `eth${j}` };
          const publications = [`10.${j}.0.${2 + i}/24`, `fd00:${j}::${2 + i}/64`]
            .map((address) => ({ address: Cidr.parse(address), mappings, conditions: [] }));
          await publishPorts({ attachment, backend, publications, options }, path);
        }
      }
      const once = [
        "list the connections of udp over IPv4",
        "list the connections of udp over IPv6",
      ];
      sandbox.run("nft", ["flush", "ruleset"]);
      assertEquals(await dumpsDuring(() => restoreRules(() => {})), once);
      // The other network's attachments of the same containers wait for the ports.
      assertEquals(await dumpsDuring(() => gcPorts("n", [])), once);

      sandbox.run("nft", ["flush", "ruleset"]);
      for (const { path } of containers) {
        sandbox.run("ip", ["netns", "del", path.split("/").at(-1)!]);
      }
      assertEquals(await dumpsDuring(() => restoreRules(() => {})), once, "of those that are gone");
    },
    { needs: ["nft", "iptables"] },
  );
}
