import { assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "../../../lib/ip/address.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { CniError } from "../../../lib/types/error.ts";
import { MemoryStore } from "../../../tests/support/memory_store.ts";
import { allocate, isExhausted } from "./allocator.ts";
import { RangeSet } from "../../../lib/ipam/range_set.ts";

const ip = IpAddress.parse;
const set = new RangeSet([{ subnet: Cidr.parse("10.1.1.0/29") }]); // .2 to .6; .1 is the gateway
const owner = (containerId: string) => ({ containerId, ifName: "eth0" });

function next(store: MemoryStore, container: string, requested?: string): string {
  const request = { owner: owner(container), set, setIndex: 0 };
  return String(
    allocate(store, { ...request, requested: requested ? ip(requested) : undefined }).cidr,
  );
}

function fails(create: () => unknown, code: number, message: string): void {
  const error = assertThrows(create, CniError, message);
  assertEquals(error.code, code);
}

Deno.test("allocate() gives addresses in turn, and a returned one last of all", () => {
  const store = new MemoryStore();
  assertEquals(next(store, "a"), "10.1.1.2/29");
  assertEquals(next(store, "b"), "10.1.1.3/29");
  store.releaseAll(owner("a"));
  const rest = ["c", "d", "e"].map((container) => next(store, container));
  assertEquals(rest, ["10.1.1.4/29", "10.1.1.5/29", "10.1.1.6/29"]);
  assertEquals(next(store, "f"), "10.1.1.2/29");
});

Deno.test("allocate() says how many of how many are taken", () => {
  const store = new MemoryStore();
  for (const container of ["a", "b", "c", "d", "e"]) {
    assertEquals(isExhausted(set, store.addresses()), false);
    next(store, container);
  }
  assertEquals(isExhausted(set, store.addresses()), true);
  fails(() => next(store, "f"), 11, "in range set: 10.1.1.1-10.1.1.6: 5 of 5 are taken");
});

Deno.test("allocate() gives a requested address, or says who has it", () => {
  const store = new MemoryStore();
  assertEquals(next(store, "a", "10.1.1.5"), "10.1.1.5/29");
  assertEquals(next(store, "b"), "10.1.1.6/29");
  fails(() => next(store, "c", "10.1.1.1"), 7, "requested ip 10.1.1.1 is subnet's gateway");
  fails(
    () => next(store, "c", "10.1.1.5"),
    11,
    "requested IP address 10.1.1.5 is not available in range set 10.1.1.1-10.1.1.6: " +
      "it is held by container a, interface eth0",
  );
});

Deno.test("allocate() refuses a second address of the same set", () => {
  const store = new MemoryStore();
  next(store, "a");
  const message = "10.1.1.2 has been allocated to a, duplicate allocation is not allowed";
  fails(() => next(store, "a"), 999, message);
});
