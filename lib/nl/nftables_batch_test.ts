import { assertEquals, assertThrows } from "@std/assert";
import { NFNL_BATCH } from "../netlink/nftables.ts";
import { errnoNumber } from "../runtime/errno.ts";
import { UnknownOutcome } from "../types/unknown_outcome.ts";
import { BatchError } from "./error.ts";
import { nftablesBatch, nftablesBatchInParts } from "./nftables_batch.ts";
import type { BatchFrame, NetlinkRequest } from "./socket.ts";
import { DatagramTooLarge } from "./transport.ts";

const requests = ["a", "b", "c", "d", "e"].map((purpose): NetlinkRequest => ({
  type: 0,
  payload: new Uint8Array(4),
  purpose,
}));

/** A socket that takes no more than so many requests at once. */
function limitedTo(most: number) {
  const sent: { purposes: string; generation: Uint8Array | undefined }[] = [];
  const batch = (requests: readonly NetlinkRequest[], purpose: string, { begin }: BatchFrame) => {
    if (requests.length > most) throw new DatagramTooLarge(purpose, requests.length, most);
    const { generation } = NFNL_BATCH.decode(begin.payload);
    sent.push({ purposes: requests.map(({ purpose }) => purpose).join(""), generation });
  };
  return { sent, socket: { batch } };
}

Deno.test("nftablesBatchInParts() sends all at once where it can", () => {
  const { sent, socket } = limitedTo(5);
  nftablesBatchInParts(requests, { purpose: "tidy up", socket });
  assertEquals(sent.map(({ purposes }) => purposes), ["abcde"]);
});

Deno.test("nftablesBatchInParts() sends the rest in parts, in order, each for the generation before", () => {
  const { sent, socket } = limitedTo(2);
  const generation = Uint8Array.of(0xff, 0xff, 0xff, 0xfe);
  nftablesBatchInParts(requests, { purpose: "tidy up", generation, socket });
  assertEquals(sent.map(({ purposes }) => purposes), ["ab", "c", "de"]);
  assertEquals(sent.map(({ generation }) => generation?.join(".")), [
    "255.255.255.254",
    "255.255.255.255",
    "0.0.0.1",
  ]);
});

Deno.test("nftablesBatchInParts() fails where not even one request can be sent", () => {
  const { socket } = limitedTo(0);
  assertThrows(() => nftablesBatchInParts(requests, { purpose: "x", socket }), DatagramTooLarge);
});

Deno.test("nftablesBatch() tells a lost answer from a refusal", () => {
  const failing = (code: string) => ({
    batch() {
      throw BatchError.whole("tidy up", 5, { errno: errnoNumber(code)! });
    },
  });
  const send = (code: string) => () =>
    nftablesBatch(requests, { purpose: "tidy up", socket: failing(code) });
  const message = "cannot tidy up (5 messages)";
  assertThrows(send("ENOBUFS"), UnknownOutcome, message);
  assertThrows(send("EPERM"), BatchError, message);
});
