import { addSpoofCheck, removeSpoofCheck } from "../../plugins/main/bridge/spoof_check.ts";
import { assertEquals } from "@std/assert";
import { assertSameRuleset } from "../support/nft_oracle.ts";
import { kernelTest } from "../support/sandbox.ts";

const NAMES = [["c1", "veth1"], ["c2", "veth2"]] as const;

/** The lines that the last version gave to `nft`. */
const LINES = `
add table bridge nat
add chain bridge nat PREROUTING { type filter hook prerouting priority -300; }
${
  NAMES.map(([id, port]) => {
    const chain = `bridge nat cni-br-iface-${id}-eth0`;
    const comment = `comment "macspoofchk-${id}-eth0"`;
    return `create chain ${chain}
create chain ${chain}-mac
add rule bridge nat PREROUTING iifname "${port}" jump cni-br-iface-${id}-eth0 ${comment}
add rule ${chain} jump cni-br-iface-${id}-eth0-mac ${comment}
add rule ${chain}-mac ether saddr 0a:58:0a:01:00:02 return ${comment}
add rule ${chain}-mac drop ${comment}`;
  }).join("\n")
}
`;

kernelTest("macspoofchk: the rules are those that nft makes of these lines", async (sandbox) => {
  const owner = (containerId: string) => ({ network: "n", containerId, ifName: "eth0" });
  await assertSameRuleset(sandbox, () => {
    for (const [id, port] of NAMES) addSpoofCheck(owner(id), port, "0a:58:0a:01:00:02");
  }, LINES);
  for (const [id] of NAMES) removeSpoofCheck(owner(id));
  const left = sandbox.ruleset();
  assertEquals([left.includes("chain PREROUTING"), left.includes("cni-br-iface")], [true, false]);
}, { needs: ["nft"] });
