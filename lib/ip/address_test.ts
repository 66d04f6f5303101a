import { assert, assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "./address.ts";

/** Text and canonical form. */
const VALID: [text: string, canonical: string][] = [
  ["10.1.2.3", "10.1.2.3"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["FD00:0009::0005", "fd00:9::5"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::FFFF:0a00:1", "10.0.0.1"],
  ["::10.0.0.1", "::a00:1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
];

const INVALID = [
  ..."|1.2.3|1.2.3.4.5|01.2.3.4|1.2.3.00|256.1.1.1|1..2.3|0x10.1.1.1|1.2.3.4 | 1.2.3.4|1.2.3.4/8|+1.2.3.4|1.2.3.-4"
    .split("|"),
  ..."1|a.b.c.d|١.1.1.1|:|:::|::1::|1:2|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1:2:3:4:5:6:7:8"
    .split("|"),
  ..."12zz::1|00001::|:1|1:|:1::|fe80::1%eth0|[::1]|::1/64|::ffff:010.0.0.1|::1.2.3|1.2.3.4::|::1.2.3.4:5|::1\n"
    .split("|"),
  "::\0",
];

for (const [text, canonical] of VALID) {
  Deno.test(`IpAddress.parse("${text}") is ${canonical}`, () => {
    const address = IpAddress.parse(text);
    assertEquals(String(address), canonical);
    assertEquals(address.family, canonical.includes(":") ? 6 : 4);
    assert(IpAddress.parse(canonical).equals(address));
    assert(IpAddress.fromBytes(address.bytes()).equals(address));
    assert(IpAddress.fromValue(address.family, address.value).equals(address));
    // An implementation of its own, as an oracle for the canonical form.
    if (address.family === 6) assertEquals(new URL(`http://[${text}]`).hostname, `[${canonical}]`);
  });
}

for (const text of INVALID) {
  Deno.test(`IpAddress.parse(${JSON.stringify(text)}) fails`, () => {
    assertEquals(IpAddress.tryParse(text), undefined);
    assertThrows(
      () => IpAddress.parse(text),
      TypeError,
      `${JSON.stringify(text)} is not an IP address`,
    );
  });
}

Deno.test("IpAddress.fromBytes() reads network order, and IPv4 in 16 bytes", () => {
  assertEquals(String(IpAddress.fromBytes(Uint8Array.of(10, 1, 2, 3))), "10.1.2.3");
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff, 10, 1, 2, 3], 10);
  assertEquals(String(IpAddress.fromBytes(mapped)), "10.1.2.3");
  assertThrows(() => IpAddress.fromBytes(new Uint8Array(5)), TypeError, "4 or 16 bytes, not 5");
});

Deno.test("IpAddress.add() counts across bytes, and not beyond the family", () => {
  const add = (text: string, count: number | bigint) => String(IpAddress.parse(text).add(count));
  assertEquals(add("10.0.0.255", 1), "10.0.1.0");
  assertEquals(add("10.0.1.0", -1), "10.0.0.255");
  assertEquals(add("fd00::ffff:ffff:ffff:ffff", 1), "fd00:0:0:1::");
  assertEquals(add("fd00::", 1n << 64n), "fd00:0:0:1::");
  assertThrows(() => add("255.255.255.255", 1), RangeError, "beyond the addresses of IPv4");
  assertThrows(() => add("0.0.0.0", -1), RangeError);
  assertThrows(() => add("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1), RangeError, "IPv6");
});

Deno.test("IpAddress.compare() orders numerically, IPv4 first", () => {
  const sorted = ["9.0.0.1", "10.0.0.1", "10.0.0.10", "::", "fd00::9", "fd00::10"];
  const shuffled = [...sorted].reverse().map(IpAddress.parse);
  assertEquals(shuffled.sort((a, b) => a.compare(b)).map(String), sorted);
  assertEquals(IpAddress.parse("::1").compare(IpAddress.parse("0:0::1")), 0);
});

Deno.test("the families are never equal", () => {
  assert(!IpAddress.parse("::1").equals(IpAddress.parse("0.0.0.1")));
});

Deno.test("IpAddress knows the special ranges, to their edges", () => {
  type Test = "isLoopback" | "isMulticast" | "isUnspecified" | "isLinkLocal" | "isGlobalUnicast";
  const cases: Record<Test, [yes: string, no: string]> = {
    isLoopback: ["127.0.0.0 127.255.255.255 ::1", "126.255.255.255 128.0.0.0 ::2"],
    isMulticast: ["224.0.0.0 239.255.255.255 ff02::1", "223.255.255.255 240.0.0.0 fe00::"],
    isUnspecified: ["0.0.0.0 ::", "0.0.0.1 ::1"],
    isLinkLocal: ["169.254.0.0 169.254.255.255 fe80:: febf::1", "169.253.1.1 fec0:: fe7f::"],
    isGlobalUnicast: [
      "10.0.0.1 8.8.8.8 fd00::1 2001:db8::1",
      "0.0.0.0 255.255.255.255 127.0.0.1 224.0.0.1 169.254.1.1 :: ::1 fe80::1 ff02::1",
    ],
  };
  for (const [name, [yes, no]] of Object.entries(cases) as [Test, [string, string]][]) {
    for (const text of yes.split(" ")) assert(IpAddress.parse(text)[name](), `${text} ${name}`);
    for (const text of no.split(" ")) assert(!IpAddress.parse(text)[name](), `${text} not ${name}`);
  }
});

Deno.test("JSON.stringify() prints addresses as text", () => {
  assertEquals(JSON.stringify({ ip: IpAddress.parse("::1") }), '{"ip":"::1"}');
});
