import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { restoreDeletions } from "../../lib/iptables/iptables.ts";
import { deletion, line } from "../../lib/iptables/rule.ts";
import {
  chainRemoval,
  nftDelete,
  nftDeleteSince,
  RulesetChanged,
} from "../../lib/nftables/delete.ts";
import { concatenated, inet_service, ipv4_addr } from "../../lib/nftables/data_types.ts";
import { deleteElement } from "../../lib/nftables/set.ts";
import { deleteRule } from "../../lib/nftables/rule.ts";
import { listElements } from "../../lib/nftables/elements.ts";
import { currentGeneration, listRules } from "../../lib/nftables/state.ts";
import { deleteTable } from "../../lib/nftables/table.ts";
import { NetlinkError } from "../../lib/nl/error.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const TABLE = { family: "inet", table: "t" } as const;
const PORTS = { ...TABLE, set: "ports", key: concatenated(ipv4_addr, inet_service) };

/** A table with two chains of which one leads to the other, and a set and a map. */
function makeTable(sandbox: Sandbox): void {
  Deno.writeTextFileSync(
    "/run/test/rules",
    `add table inet t
     add chain inet t base
     add chain inet t own
     add rule inet t base ip saddr 10.0.0.1 jump own comment "first"
     add rule inet t base ip saddr 10.0.0.2 goto own comment "second"
     add rule inet t base ip saddr 10.0.0.3 accept comment "third"
     add rule inet t own counter
     add set inet t ports { type ipv4_addr . inet_service; }
     add element inet t ports { 10.0.0.1 . 80, 10.0.0.1 . 81 }`,
  );
  sandbox.run("nft", ["-f", "/run/test/rules"]);
}

kernelTest("nftDelete() deletes rules, chains, elements and tables", (sandbox) => {
  makeTable(sandbox);
  nftDelete(
    () => listRules(TABLE).filter(({ comment }) => comment === "third").map(deleteRule),
    "x",
  );
  nftDelete(() =>
    listElements(PORTS).filter(({ key: [, port] }) => port === 80)
      .map(({ key }) => deleteElement(PORTS, key)), "x");
  const rules = sandbox.ruleset();
  assertEquals(/comment "(first|second|third)"/g[Symbol.match](rules)?.length, 2);
  assertStringIncludes(rules, "elements = { 10.0.0.1 . 81 }");
  nftDelete(() => chainRemoval({ ...TABLE, chain: "own" }), "x");
  assertEquals(listRules(TABLE), []);
  assertEquals(sandbox.ruleset().includes("chain own"), false);
  nftDelete(() => [deleteTable(TABLE)], "x");
  assertEquals(sandbox.ruleset(), "");
}, { needs: ["nft"] });

kernelTest("listElements() leaves out the element that stands for all others", (sandbox) => {
  sandbox.run("nft", [
    "add table inet t; add map inet t m { type ipv4_addr : verdict; }; " +
    "add element inet t m { 10.0.0.1 : accept, * : drop }",
  ]);
  const map = { ...TABLE, set: "m", key: ipv4_addr, value: "verdict" } as const;
  assertEquals(listElements(map).map(({ key }) => String(key)), ["10.0.0.1"]);
}, { needs: ["nft"] });

kernelTest("nftDelete() deletes all or nothing, and says what is in the way", (sandbox) => {
  makeTable(sandbox);
  const before = sandbox.ruleset();
  const [first, second] = listRules(TABLE);
  const gone = { ...second!, handle: 4711n };
  const error = assertThrows(
    () => nftDelete(() => [deleteRule(first!), deleteRule(gone)], "tidy up"),
    NetlinkError,
  );
  assertEquals(error.code, "ENOENT");
  assertStringIncludes(
    error.message,
    "cannot tidy up (delete rule inet t base handle 4711, message 2 of 2)",
  );
  assertEquals(sandbox.ruleset(), before);
}, { needs: ["nft"] });

kernelTest("nftDelete() goes on with what is left when others delete, too", (sandbox) => {
  makeTable(sandbox);
  let lookedAt = 0;
  nftDelete(() => {
    const rules = listRules({ ...TABLE, chain: "base" });
    // Between looking and deleting somebody else takes the first away.
    if (lookedAt++ === 0) {
      sandbox.run("nft", ["delete", "rule", "inet", "t", "base", "handle", `${rules[0]!.handle}`]);
    }
    return rules.map(deleteRule);
  }, "x");
  assertEquals([lookedAt, listRules({ ...TABLE, chain: "base" })], [2, []]);
}, { needs: ["nft"] });

kernelTest("nftDeleteSince() deletes nothing when the rule set has changed", (sandbox) => {
  makeTable(sandbox);
  const generation = currentGeneration()!;
  sandbox.run("nft", ["add", "rule", "inet", "t", "own", "accept"]);
  const requests = listRules(TABLE).map(deleteRule);
  assertThrows(() => nftDeleteSince(generation, requests, "x"), RulesetChanged);
  assertEquals(listRules(TABLE).length, requests.length);
  nftDeleteSince(currentGeneration()!, requests, "x");
  assertEquals(listRules(TABLE), []);
}, { needs: ["nft"] });

kernelTest("restoreDeletions() deletes by place what iptables-save lists", async (sandbox) => {
  const iptables = (...args: string[]) => sandbox.run("iptables", ["-t", "nat", ...args]);
  iptables("-N", "OWN");
  iptables("-N", "OTHER");
  for (const address of ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"]) {
    iptables("-A", "POSTROUTING", "-s", address, "-j", "OWN");
  }
  iptables("-A", "OTHER", "-j", "ACCEPT");
  const entry = (address: string) => line`-A POSTROUTING -s ${address}/32 -j OWN`;
  const left = () =>
    sandbox.run("iptables-save", ["-t", "nat"]).split("\n")
      .filter((text) => text.startsWith("-A ") || /^:O(WN|THER)/.test(text))
      .map((text) => text.replace(/ .*\[.*/, "")).sort();
  // The same rule twice: one of them goes.
  const some = ["10.0.0.1", "10.0.0.3"].map(entry);
  await restoreDeletions(4, "nat", () => some.map(deletion), "x");
  assertEquals(left(), [
    "-A OTHER -j ACCEPT",
    entry("10.0.0.1"),
    entry("10.0.0.2"),
    ":OTHER",
    ":OWN",
  ]);
  const all = ["10.0.0.1", "10.0.0.2"].map(entry);
  await restoreDeletions(4, "nat", () => [...all.map(deletion), line`-F OWN`, line`-X OWN`], "x");
  assertEquals(left(), ["-A OTHER -j ACCEPT", ":OTHER"]);
}, { needs: ["iptables"] });

kernelTest(
  "restoreDeletions() hits no rule of others in the same table",
  async (sandbox) => {
    for (const address of ["10.0.0.1", "10.0.0.2"]) {
      sandbox.run("iptables", ["-A", "FORWARD", "-s", address, "-j", "ACCEPT"]);
    }
    // A rule of nft's own, which iptables misreads, moves the places of those behind it.
    const position = "ip daddr . ip saddr { 10.9.9.9 . 10.9.9.8 } accept".split(" ");
    sandbox.run("nft", ["insert", "rule", "ip", "filter", "FORWARD", ...position]);
    await restoreDeletions(4, "filter", ({ rules }) => {
      return rules.filter((rule) => rule.includes("10.0.0.1")).map(deletion);
    }, "x");
    const rules = sandbox.run("nft", ["list", "chain", "ip", "filter", "FORWARD"]);
    assertStringIncludes(rules, "10.9.9.9 . 10.9.9.8");
    assertStringIncludes(rules, "10.0.0.2");
  },
  { needs: ["iptables", "nft"] },
);
