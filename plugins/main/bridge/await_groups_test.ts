import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../lib/ip/address.ts";
import { awaitGroups } from "./await_groups.ts";

const ADDRESSES = ["10.9.0.1", "fd00:9::1"].map((text) => IpAddress.parse(text));
const ALL = "3    br0             ff020000000000000000000000000001     1 0000000C 0\n";
const OWN = "3    br0             ff0200000000000000000001ff000001     1 00000004 0\n";
const ANOTHERS = OWN.replace("br0", "br1");

/** Reads these texts, one after another; counts how often. */
function reader(...texts: string[]) {
  const state = { count: 0, read: () => texts[Math.min(state.count++, texts.length - 1)]! };
  return state;
}

Deno.test("awaitGroups() returns once the device has joined the group of each IPv6 address", async () => {
  const groups = reader(ALL, ALL + ANOTHERS, ALL + OWN);
  await awaitGroups("br0", ADDRESSES, groups.read);
  assertEquals(groups.count, 3);
});

Deno.test("awaitGroups() waits for nothing without IPv6", async () => {
  const groups = reader("");
  await awaitGroups("br0", ADDRESSES, groups.read);
  assertEquals(groups.count, 1);
  await awaitGroups("br0", ADDRESSES.slice(0, 1), groups.read);
  assertEquals(groups.count, 1);
});
