import { assertEquals, assertThrows } from "@std/assert";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import type { FilterEntry } from "../../lib/firewall/filter/types.ts";
import { masqueradeNft } from "../../lib/firewall/masquerade/nftables.ts";
import { portMapperNft } from "../../lib/firewall/ports/nftables.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { applyBatch } from "../../lib/nftables/batch.ts";
import { addRule } from "../../lib/nftables/new_rule.ts";
import { accept } from "../../lib/nftables/statement.ts";
import { addTable } from "../../lib/nftables/table.ts";
import { BatchError } from "../../lib/nl/error.ts";
import type { NetlinkRequest } from "../../lib/nl/socket.ts";
import { addSpoofCheck } from "../../plugins/main/bridge/spoof_check.ts";
import { attachment } from "../support/attachment.ts";
import { batchesOf } from "../support/netlink_use.ts";
import { kernelTest } from "../support/sandbox.ts";

const IPS = [Cidr.parse("10.1.0.2/24"), Cidr.parse("fd00::2/64")];

/** What an ADD does for a container, by what it is for. */
const ADDS: Readonly<Record<string, (containerId: string) => unknown>> = {
  masquerading: (id) => masqueradeNft.add(attachment(id), IPS),
  "published ports": (id) =>
    portMapperNft.add({
      attachment: attachment(id),
      publications: IPS.map((address) => ({
        address,
        mappings: [{ protocol: "tcp", hostPort: id === "one" ? 80 : 81, containerPort: 80 }],
        conditions: [],
      })),
      options: { snat: true, masqAll: false, markBit: 13 },
    }),
  filter(id) {
    const entry: FilterEntry = {
      attachment: attachment(id),
      backend: "nftables",
      enforcer: "nftables",
      ips: IPS.map(({ ip }) => ip),
      adminChain: "CNI-ADMIN",
      zone: "",
      policy: "same-bridge",
      bridge: "br0",
    };
    return filterNft.add([entry], () => [entry]);
  },
  "MAC filter": (id) => addSpoofCheck(attachment(id), `veth${id}`, "0a:58:0a:01:00:02"),
};

const isSkeleton = ({ purpose }: NetlinkRequest) => /^add (table|set|map) /.test(purpose);

for (const [what, add] of Object.entries(ADDS)) {
  kernelTest(`${what}: an ADD is one batch, with the skeleton where that is missing`, async () => {
    const [first, ...more] = await batchesOf(() => add("one"));
    const [second, ...others] = await batchesOf(() => add("two"));
    assertEquals([more, others], [[], []]);
    assertEquals([first, second].map((batch) => batch!.some(isSkeleton)), [true, false]);
  });
}

kernelTest(
  "what the kernel says of a refusal stands beside the rule, in nft's words",
  (sandbox) => {
    const table = { family: "inet", table: "t" } as const;
    const chain = { ...table, chain: "c".repeat(300) };
    const commands = [addTable(table), addRule(chain, [accept], "mine")];
    const { message } = assertThrows(() => applyBatch(commands, "let it through"), BatchError);
    const [, words] =
      /^cannot let it through \(add rule inet t c{300} accept comment "mine", message 2 of 2\): ERANGE \(Numerical result out of range\)(.*)$/
        .exec(message) ?? [];
    // Older kernels, such as Linux 6.1, have no words for what is in a batch.
    const [major, minor] = Deno.osRelease().split(".").map(Number);
    const maySayNothing = major! < 6 || major === 6 && minor! < 18;
    const nothing = maySayNothing && words === "";
    assertEquals(words, nothing ? "" : ": Attribute failed policy validation");
    assertEquals(sandbox.ruleset(), "");
  },
  { needs: ["nft"] },
);
