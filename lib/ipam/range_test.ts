import { assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";
import { AddressRange, type RangeOptions } from "./range.ts";
import { RangeSet } from "./range_set.ts";

const ip = IpAddress.parse;

function range(
  subnet: string,
  rest: Partial<Record<keyof RangeOptions, string>> = {},
): RangeOptions {
  const addresses = Object.entries(rest).map(([key, text]) => [key, ip(text)]);
  return { subnet: Cidr.parse(subnet), ...Object.fromEntries(addresses) };
}

function fails(create: () => unknown, message: string): void {
  const error = assertThrows(create, CniError, message);
  assertEquals(error.code, 7);
}

Deno.test("AddressRange takes the whole subnet unless told otherwise", () => {
  const v4 = new AddressRange(range("10.1.1.0/24"));
  assertEquals([String(v4), String(v4.gateway), v4.size], [
    "10.1.1.1-10.1.1.254",
    "10.1.1.1",
    253n,
  ]);
  const v6 = new AddressRange(range("fd00::/126"));
  assertEquals([String(v6), String(v6.gateway), v6.size], ["fd00::1-fd00::3", "fd00::1", 2n]);
  const part = { rangeStart: "10.1.1.10", rangeEnd: "10.1.1.20", gateway: "10.9.9.9" };
  assertEquals(new AddressRange(range("10.1.1.0/24", part)).size, 11n);
});

Deno.test("AddressRange says what is wrong with its bounds", () => {
  fails(() => new AddressRange(range("10.1.1.0/31")), "Network 10.1.1.0/31 too small to allocate");
  fails(
    () => new AddressRange(range("10.1.1.4/24")),
    "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.1.0",
  );
  fails(
    () => new AddressRange(range("10.1.1.0/24", { rangeStart: "10.1.2.1" })),
    "RangeStart 10.1.2.1 not in network 10.1.1.0/24",
  );
  fails(
    () => new AddressRange(range("10.1.1.0/24", { rangeEnd: "fd00::1" })),
    "RangeEnd fd00::1 not in network 10.1.1.0/24",
  );
  fails(
    () => new AddressRange(range("10.1.1.0/24", { rangeStart: "10.1.1.9", rangeEnd: "10.1.1.8" })),
    "RangeStart 10.1.1.9 of network 10.1.1.0/24 is behind its RangeEnd 10.1.1.8",
  );
});

Deno.test("RangeSet is of one family and does not overlap itself", () => {
  fails(() => new RangeSet([]), "empty range set");
  fails(() => new RangeSet([range("10.1.1.0/24"), range("fd00::/64")]), "mixed address families");
  fails(
    () => new RangeSet([range("10.1.0.0/16"), range("10.1.1.0/24")]),
    "subnets 10.1.0.1-10.1.255.254 and 10.1.1.1-10.1.1.254 overlap",
  );
});

Deno.test("RangeSet.after() goes around, past gateways, and stops where it began", () => {
  const set = new RangeSet([
    range("10.1.1.0/29", { gateway: "10.1.1.3" }),
    range("10.1.2.0/30"),
  ]);
  const after = (last?: string) => [...set.after(last ? ip(last) : undefined)].map(String);
  const all = ["10.1.1.1", "10.1.1.2", "10.1.1.4", "10.1.1.5", "10.1.1.6", "10.1.2.2"];
  assertEquals(after(), all);
  assertEquals(after("192.168.0.1"), all);
  assertEquals(after("10.1.1.4"), [...all.slice(3), ...all.slice(0, 3)]);
  assertEquals(after("10.1.2.2"), all);
  assertEquals(BigInt(all.length), set.size);
});
