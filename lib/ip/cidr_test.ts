import { assert, assertEquals, assertThrows } from "@std/assert";
import { IpAddress } from "./address.ts";
import { Cidr } from "./cidr.ts";

const INVALID =
  "10.1.2.3|10.1.2.3/|10.1.2.3/33|10.1.2.3/-1|10.1.2.3/08|10.1.2.3/ 8|10.1.2.3/8/8|/8|::/129|::1%lo/64|::ffff:10.0.0.1/95|10.0.0.1/1e1";

for (const text of INVALID.split("|")) {
  Deno.test(`Cidr.parse(${JSON.stringify(text)}) fails`, () => {
    assertEquals(Cidr.tryParse(text), undefined);
    assertThrows(
      () => Cidr.parse(text),
      TypeError,
      `${JSON.stringify(text)} is not an address with a prefix length`,
    );
  });
}

Deno.test("Cidr.parse() keeps host bits and prints the canonical form", () => {
  for (
    const text of ["10.1.2.3/24", "0.0.0.0/0", "10.1.2.3/32", "::/0", "fd00:9::5/64", "::1/128"]
  ) {
    assertEquals(String(Cidr.parse(text)), text);
  }
  assertEquals(String(Cidr.parse("FD00::0:5/64")), "fd00::5/64");
  assertEquals(String(Cidr.parse("::ffff:10.0.0.1/120")), "10.0.0.1/24");
  assertEquals(JSON.stringify([Cidr.parse("::1/64")]), '["::1/64"]');
});

Deno.test("Cidr refuses prefix lengths beyond the address", () => {
  for (const prefix of [-1, 33, 1.5, NaN]) {
    assertThrows(() => new Cidr(IpAddress.parse("10.0.0.1"), prefix), RangeError, "from 0 to 32");
  }
});

Deno.test("Cidr.host() and Cidr.default() are the longest and the shortest prefix", () => {
  assertEquals(["10.0.0.1", "fd00::1"].map((ip) => String(Cidr.host(IpAddress.parse(ip)))), [
    "10.0.0.1/32",
    "fd00::1/128",
  ]);
  assertEquals([String(Cidr.default(4)), String(Cidr.default(6))], ["0.0.0.0/0", "::/0"]);
});

Deno.test("Cidr gives network, edges, broadcast and mask", () => {
  const cases: [
    text: string,
    first: string,
    last: string,
    broadcast: string | undefined,
    mask: string,
  ][] = [
    ["10.1.2.3/24", "10.1.2.0", "10.1.2.255", "10.1.2.255", "255.255.255.0"],
    ["10.1.2.3/30", "10.1.2.0", "10.1.2.3", "10.1.2.3", "255.255.255.252"],
    ["10.1.2.3/31", "10.1.2.2", "10.1.2.3", undefined, "255.255.255.254"],
    ["10.1.2.3/32", "10.1.2.3", "10.1.2.3", undefined, "255.255.255.255"],
    ["10.1.2.3/0", "0.0.0.0", "255.255.255.255", "255.255.255.255", "0.0.0.0"],
    [
      "fd00::1:2/112",
      "fd00::1:0",
      "fd00::1:ffff",
      undefined,
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0",
    ],
    ["fd00::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", undefined, "::"],
  ];
  for (const [text, first, last, broadcast, mask] of cases) {
    const cidr = Cidr.parse(text);
    assertEquals(String(cidr.network()), `${first}/${cidr.prefix}`);
    assertEquals([String(cidr.first()), String(cidr.last())], [first, last]);
    assertEquals(cidr.broadcast()?.toString(), broadcast);
    assertEquals(String(cidr.mask()), mask);
  }
});

Deno.test("Cidr.contains() ends at the edges, and at the family", () => {
  const contains = (cidr: string, ip: string) => Cidr.parse(cidr).contains(IpAddress.parse(ip));
  assert(contains("10.1.2.3/24", "10.1.2.0") && contains("10.1.2.3/24", "10.1.2.255"));
  assert(!contains("10.1.2.3/24", "10.1.1.255") && !contains("10.1.2.3/24", "10.1.3.0"));
  assert(
    contains("0.0.0.0/0", "255.0.0.1") && !contains("0.0.0.0/0", "::1") &&
      !contains("::/0", "1.1.1.1"),
  );
  assert(contains("fd00::1/128", "fd00::1") && !contains("fd00::1/128", "fd00::2"));
});

Deno.test("Cidr.overlaps() holds both ways round", () => {
  const overlaps = (a: string, b: string) => {
    const [left, right] = [Cidr.parse(a), Cidr.parse(b)];
    assertEquals(left.overlaps(right), right.overlaps(left));
    return left.overlaps(right);
  };
  assert(
    overlaps("10.1.0.0/16", "10.1.2.3/24") && overlaps("10.1.2.0/24", "10.1.2.9/24") &&
      overlaps("::/0", "fd00::/8"),
  );
  assert(
    !overlaps("10.1.2.0/24", "10.1.3.0/24") && !overlaps("10.2.0.0/16", "10.1.2.3/24") &&
      !overlaps("0.0.0.0/0", "::/0"),
  );
});

Deno.test("Cidr.equals() compares address and prefix length", () => {
  assert(Cidr.parse("fd00::5/64").equals(Cidr.parse("FD00:0::5/64")));
  assert(!Cidr.parse("10.0.0.1/24").equals(Cidr.parse("10.0.0.1/25")));
  assert(!Cidr.parse("10.0.0.1/24").equals(Cidr.parse("10.0.0.2/24")));
});
