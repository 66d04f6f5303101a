import { assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "./address.ts";
import {
  formatMac,
  macBytes,
  macForAddress,
  macForAddresses,
  parseMac,
  tryParseMac,
} from "./mac.ts";

Deno.test("parseMac() reads every form that Go reads, into lower case with colons", () => {
  assertEquals(parseMac("0A:58:0a:01:02:FF"), "0a:58:0a:01:02:ff");
  assertEquals(parseMac("0A-58-0a-01-02-FF"), "0a:58:0a:01:02:ff");
  assertEquals(parseMac("0A58.0a01.02FF"), "0a:58:0a:01:02:ff");
  assertEquals(parseMac("02-00-5e-10-00-00-00-01"), "02:00:5e:10:00:00:00:01");
  assertEquals(parseMac("0200.5e10.0000.0001"), "02:00:5e:10:00:00:00:01");
  const infiniband = Array.from({ length: 20 }, (_, index) => (index + 16).toString(16));
  assertEquals(parseMac(infiniband.join("-")), infiniband.join(":"));
});

Deno.test("parseMac() refuses everything else, naming it", () => {
  const texts =
    "|0a:58:0a:01:02|0a:58:0a:01:02:03:04|0a:58-0a:01:02:03|a:58:0a:01:02:03|0a580a010203|0a58:0a01:0203|0g:58:0a:01:02:03|0a:58:0a:01:02:03\n|0a58.0a01|0a58.0a01.0203.0405.0607.0809|0a:58:0a:01:02:03:";
  for (const text of texts.split("|")) {
    assertEquals(tryParseMac(text), undefined);
    assertThrows(() => parseMac(text), TypeError, `${JSON.stringify(text)} is not a MAC address`);
  }
});

Deno.test("macBytes() and formatMac() are each other's way back", () => {
  assertEquals(macBytes("0A-58-00-01-02-ff"), Uint8Array.of(10, 88, 0, 1, 2, 255));
  assertEquals(formatMac(macBytes("0a:58:00:01:02:ff")), "0a:58:00:01:02:ff");
  assertEquals(formatMac(new Uint8Array()), "");
});

Deno.test("macForAddress() is 0a:58 with the IPv4 address, or with the hash of the IPv6 address", () => {
  assertEquals(macForAddress(IpAddress.parse("10.1.2.255")), "0a:58:0a:01:02:ff");
  assertEquals(macForAddress(IpAddress.parse("::ffff:10.1.2.255")), "0a:58:0a:01:02:ff");
  // Of the address in 16 bytes, by sha512sum.
  assertEquals(macForAddress(IpAddress.parse("fd00:9::5")), "0a:58:df:de:2e:3d");
});

Deno.test("macForAddresses() prefers IPv4, wherever it stands", () => {
  const [six, four, other] = ["fd00:9::5", "10.1.2.3", "10.1.2.4"].map(IpAddress.parse);
  assertEquals(macForAddresses([six!, four!, other!]), macForAddress(four!));
  assertEquals(macForAddresses([six!]), macForAddress(six!));
});
