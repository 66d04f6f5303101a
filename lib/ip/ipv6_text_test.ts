import { assertEquals } from "@std/assert";
import { Address6 } from "../deps/ip_address.ts";
import { formatIpv6, parseIpv6 } from "./ipv6_text.ts";

Deno.test("formatIpv6() and parseIpv6() agree with the ip-address package, whatever groups are zero", () => {
  for (let zeros = 0; zeros < 256; zeros++) {
    for (const group of [0x1n, 0xab0n, 0xffffn]) {
      let value = 0n;
      for (let i = 0; i < 8; i++) value = value << 16n | (zeros >> i & 1 ? 0n : group);
      const text = formatIpv6(value);
      const reference = Address6.fromBigInt(value);
      assertEquals(text, reference.correctForm());
      assertEquals(parseIpv6(text), value);
      assertEquals(parseIpv6(reference.canonicalForm()), value);
    }
  }
});

Deno.test("parseIpv6() reads an IPv4 address as the last two groups, and any case", () => {
  assertEquals(parseIpv6("::ffff:10.1.2.3"), 0xffff0a010203n);
  assertEquals(parseIpv6("FD00::AbC"), 0xfd000000000000000000000000000abcn);
  assertEquals(parseIpv6("1:2:3:4:5:6:1.2.3.4"), 0x00010002000300040005000601020304n);
});

Deno.test("parseIpv6() refuses what RFC 4291 does not allow", () => {
  const bad = [
    "",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "1:2:3:4:5:6:7:1.2.3.4",
    "12345::",
    "g::",
    "::1%eth0",
    "::1/64",
    " ::1",
    "1.2.3.4::",
    "::1.2.3.04",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
  ];
  for (const text of bad) assertEquals(parseIpv6(text), undefined, text);
});
