import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { applyBatch, obstacleTo } from "../../lib/nftables/batch.ts";
import { addChain } from "../../lib/nftables/chain.ts";
import type { Command } from "../../lib/nftables/command.ts";
import { meta } from "../../lib/nftables/field.ts";
import { missingOption } from "../../lib/nftables/kernel_options.ts";
import { KernelLacksOption } from "../../lib/nftables/lacks_option.ts";
import { addRule } from "../../lib/nftables/new_rule.ts";
import { jump, masquerade, type Statement } from "../../lib/nftables/statement.ts";
import { addTable } from "../../lib/nftables/table.ts";
import { NFPROTO, NFT_CHAIN, NFT_TABLE } from "../../lib/netlink/nftables.ts";
import { BatchError } from "../../lib/nl/error.ts";
import { errnoNumber } from "../../lib/runtime/errno.ts";
import { kernelTest } from "../support/sandbox.ts";

const TABLE = { family: "inet", table: "t" } as const;
const CHAIN = { ...TABLE, chain: "c" };
const HOOK = { type: "nat", hook: "postrouting", priority: 100 } as const;

/** The first refusal of a batch. */
function refusal(commands: readonly Command[]): BatchError {
  return assertThrows(() => applyBatch(commands, "try"), BatchError);
}

// Kernels that lack something are tried on the test kernel (kernel_without_test.ts); one that is asked
// for what no kernel has answers alike.
kernelTest("a kernel answers ENOENT or EOPNOTSUPP to what it does not know", () => {
  const unknown = { text: "unknown", expressions: [{ name: "unknown" }] } as unknown as Statement;
  const chain = {
    ...addChain(CHAIN, HOOK),
    payload: NFT_CHAIN.encode({
      family: NFPROTO.inet,
      table: "t",
      name: "c",
      hook: { number: 4, priority: 100 },
      type: "unknown",
    }),
  };
  const table = { ...addTable(TABLE), payload: NFT_TABLE.encode({ family: 77, name: "t" }) };
  const codes = [
    [addTable(TABLE), addChain(CHAIN), addRule(CHAIN, [unknown])],
    [addTable(TABLE), chain],
    [table],
  ].map((commands) => refusal(commands).code);
  assertEquals(codes, ["ENOENT", "ENOENT", "EOPNOTSUPP"]);
});

Deno.test("what a kernel refuses as unknown is named by its option", () => {
  const commands = [
    addTable(TABLE),
    addChain(CHAIN, HOOK),
    addRule(CHAIN, [masquerade]),
    addTable({ family: "bridge", table: "nat" }),
    addRule({ family: "bridge", table: "nat", chain: "c" }, [meta.iifname.is("lo")]),
  ];
  const options = (index: number | undefined, code: string, all = commands) => {
    const errno = errnoNumber(code)!;
    const refusals = index === undefined ? [] : [{ index, errno }];
    const error = new BatchError("try", errno, undefined, refusals);
    return missingOption(error, all, "try")?.message.match(/CONFIG_\w+/g)?.join();
  };
  assertEquals(options(undefined, "EOPNOTSUPP"), "CONFIG_NF_TABLES");
  assertEquals(options(0, "EOPNOTSUPP"), "CONFIG_NF_TABLES_INET");
  assertEquals(options(1, "ENOENT"), "CONFIG_NFT_NAT");
  assertEquals(options(2, "ENOENT"), "CONFIG_NFT_MASQ");
  assertEquals(options(3, "EAFNOSUPPORT"), "CONFIG_NF_TABLES_BRIDGE");
  assertEquals(options(4, "ENOENT"), "CONFIG_NFT_BRIDGE_META");
  assertEquals(options(2, "EBUSY"), undefined);
  assertEquals(options(undefined, "EPERM"), undefined);
  // Here it may be the chain that is not there.
  assertEquals(options(0, "ENOENT", [addRule(CHAIN, [masquerade])]), undefined);
});

kernelTest("obstacleTo() does nothing, and tells what would be refused", (sandbox) => {
  const fine = [addTable(TABLE), addChain(CHAIN, HOOK), addRule(CHAIN, [masquerade])];
  assertEquals(obstacleTo(fine, "try"), undefined);
  assertEquals(sandbox.ruleset(), "");
  const wrong = obstacleTo([...fine, addRule(CHAIN, [jump("none")])], "try");
  assertInstanceOf(wrong, Error);
  assertStringIncludes(wrong.message, "add rule inet t c jump none");
  assertEquals(wrong instanceof KernelLacksOption, false);
  assertEquals(sandbox.ruleset(), "");
}, { needs: ["nft"] });
