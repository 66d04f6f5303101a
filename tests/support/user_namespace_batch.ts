/**
 * What `tests/lib/nl_test.ts` does in a user namespace, where a send buffer ends at
 * `net.core.wmem_max`: `user_namespace_batch.ts whole|parts`. Prints JSON.
 *
 * @module
 */
import { deleteRule } from "../../lib/nftables/rule.ts";
import { listRules } from "../../lib/nftables/state.ts";
import { nftablesBatch, nftablesBatchInParts } from "../../lib/nl/nftables_batch.ts";
import { AF_UNIX } from "../../lib/libc/sockaddr.ts";
import { SOCK_DGRAM, Socket, SOL_SOCKET } from "../../lib/libc/socket.ts";
import { u32 } from "../../lib/netlink/codec.ts";
import { packAttributes } from "../../lib/netlink/attributes.ts";
import { errnoCode, messageOf } from "../../lib/runtime/errors.ts";

const TABLE = { family: "inet", table: "t" } as const;
const RULES = 400;
const SO_SNDBUF = 7;

/** An attribute that nf_tables does not know and passes over, of the greatest length. */
const PADDING = packAttributes([{ type: 100, payload: new Uint8Array(65_000) }]);

function nft(text: string): void {
  Deno.writeTextFileSync("/run/test/rules", text);
  const { success, stderr } = new Deno.Command("nft", {
    args: ["-f", "/run/test/rules"],
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

nft(["add table inet t", "add chain inet t c", ...Array(RULES).fill("add rule inet t c accept")]
  .join("\n"));
using probe = Socket.open(AF_UNIX, SOCK_DGRAM, 0);
probe.tryOption(SOL_SOCKET, SO_SNDBUF, u32.encode(2 ** 30));
const limit = probe.numberOption(SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF");
const requests = listRules(TABLE).map(deleteRule).map((request) => ({
  ...request,
  payload: new Uint8Array([...request.payload, ...PADDING]),
}));
const size = requests.reduce((sum, { payload }) => sum + payload.length, 0);
let error: unknown;
try {
  const send = Deno.args[0] === "whole" ? nftablesBatch : nftablesBatchInParts;
  send(requests, { purpose: "tidy up" });
} catch (thrown) {
  error = thrown;
}
console.log(JSON.stringify({
  larger: size > limit,
  code: errnoCode(error),
  message: error && messageOf(error),
  left: listRules(TABLE).length,
}));
