import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Poller } from "../../lib/libc/poller.ts";
import { LINK } from "../../lib/netlink/link.ts";
import { nftDelete } from "../../lib/nftables/delete.ts";
import { deleteRule } from "../../lib/nftables/rule.ts";
import { currentGeneration, listRules } from "../../lib/nftables/state.ts";
import { BatchError, NetlinkError } from "../../lib/nl/error.ts";
import { nftablesBatch } from "../../lib/nl/nftables_batch.ts";
import { Notifications } from "../../lib/nl/notifications.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../lib/nl/socket.ts";
import { type OtherCalls, runInCall } from "../../lib/runtime/current_call.ts";
import { callBeside } from "../support/call_beside.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const TABLE = { family: "inet", table: "t" } as const;
const NFNLGRP_NFTABLES = 7;
const RTM_DELLINK = 17;

function makeRules(sandbox: Sandbox, count: number): void {
  Deno.writeTextFileSync(
    "/run/test/rules",
    [
      "add table inet t",
      "add chain inet t c",
      ...Array.from({ length: count }, (_, i) => `add rule inet t c counter comment "rule ${i}"`),
    ].join("\n"),
  );
  sandbox.run("nft", ["-f", "/run/test/rules"]);
}

/** A generation as a number. */
function generation(): number {
  const bytes = currentGeneration()!;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

kernelTest("5,000 rules are deleted in one batch", (sandbox) => {
  makeRules(sandbox, 5000);
  const before = generation();
  nftDelete(() => listRules(TABLE).map(deleteRule), "tidy up");
  assertEquals([listRules(TABLE).length, generation() - before], [0, 1]);
}, { needs: ["nft"] });

kernelTest(
  "a batch of which thousands are refused names the first, and does nothing",
  (sandbox) => {
    makeRules(sandbox, 5000);
    const rules = listRules(TABLE);
    const gone = rules.slice(1).map((rule) => ({ ...rule, handle: rule.handle + 100_000n }));
    const requests = [rules[0]!, ...gone].map(deleteRule);
    const error = assertThrows(() => nftablesBatch(requests, { purpose: "tidy up" }), BatchError);
    assertStringIncludes(
      error.message,
      `cannot tidy up (${requests[1]!.purpose}, message 2 of 5000): ENOENT`,
    );
    assertEquals(error.refusals[0]!.index, 1);
    assertEquals(listRules(TABLE).length, 5000);
  },
  { needs: ["nft"] },
);

/** Runs `tests/support/user_namespace_batch.ts` in user and network namespaces of its own. */
function inUserNamespace(sandbox: Sandbox, how: "whole" | "parts") {
  const script = new URL("../support/user_namespace_batch.ts", import.meta.url).pathname;
  const args = ["--user", "--map-root-user", "--net", Deno.execPath(), "run", "--allow-all"];
  return JSON.parse(sandbox.run("unshare", [...args, script, how]));
}

kernelTest("a batch larger than a user namespace's send buffer is refused whole", (sandbox) => {
  const { larger, code, message, left } = inUserNamespace(sandbox, "whole");
  assert(larger);
  assertEquals([code, left], ["EMSGSIZE", 400]);
  assertMatch(
    message,
    /^cannot tidy up \(400 messages\): EMSGSIZE .*: \d+ bytes .* may send \d+; .*net\.core\.wmem_max to \d+/,
  );
}, { needs: ["nft", "unshare"] });

kernelTest("removals larger than a user namespace's send buffer go in parts", (sandbox) => {
  const { larger, message, left } = inUserNamespace(sandbox, "parts");
  assert(larger);
  assertEquals([message, left], [undefined, 0]);
}, { needs: ["nft", "unshare"] });

kernelTest("Notifications says when some were lost, and goes on", async (sandbox) => {
  using events = Notifications.open(NETLINK_NETFILTER, [NFNLGRP_NFTABLES]);
  assertEquals(events.receive(), { messages: [], lost: false });
  makeRules(sandbox, 5000);
  assertEquals([await events.wait(1000), events.receive().lost], [true, true]);
  sandbox.run("nft", ["flush", "ruleset"]);
  assert(await events.wait(1000));
  assert(events.receive().messages.length > 0);
}, { needs: ["nft"] });

kernelTest(
  "what comes after a refusal is waited for while another thread sends it",
  async (sandbox) => {
    const [group, count] = [7, 200];
    const pairs = Array.from(
      { length: count },
      (_, i) => `link add a${i} group ${group} type veth peer name b${i}`,
    );
    Deno.writeTextFileSync("/run/test/links", pairs.join("\n"));
    sandbox.run("ip", ["-batch", "/run/test/links"]);
    using poller = new Poller();
    const call = callBeside(poller);
    let waits = 0;
    const others: OtherCalls = {
      ...call.others,
      readable: (descriptor, ms) => {
        waits++;
        return call.others.readable(descriptor, ms);
      },
    };
    const deletion = (purpose: string, link: { index: number } | { group: number }) => ({
      type: RTM_DELLINK,
      payload: LINK.encode(link),
      purpose,
    });
    const error = await runInCall({ ...call, others }, async () => {
      using socket = NetlinkSocket.open();
      return await assertRejects(
        () =>
          socket.requestAllMeanwhile([
            deletion("remove nothing", { index: 9999 }),
            deletion("remove the group", { group }),
          ]),
        NetlinkError,
      );
    });
    assertEquals([error.code, error.message.split(":")[0]], ["ENODEV", "cannot remove nothing"]);
    assertEquals(sandbox.ip(`link show group ${group}`), []);
    assert(waits > 0);
  },
);
