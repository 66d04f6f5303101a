import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "./error.ts";
import type { JsonObject } from "./json.ts";
import { parseResult } from "./read_result.ts";
import { printResult } from "./write_result.ts";
import { familyOf, SPEC_VERSIONS, type VersionFamily } from "./versions.ts";

const dns = { nameservers: ["10.0.0.1"], domain: "d", search: ["s"], options: ["o"] };
const route = {
  dst: "10.9.0.0/16",
  gw: "10.0.0.1",
  mtu: 1400,
  advmss: 1360,
  priority: 5,
  table: 0,
  scope: 0,
};

/** What 0.1.0 and 0.2.0 can say. */
const OLD = {
  ip4: {
    ip: "10.0.0.2/24",
    gateway: "10.0.0.1",
    routes: [{ dst: "0.0.0.0/0" }, { dst: "10.9.0.0/16", gw: "10.0.0.1" }],
  },
  ip6: { ip: "fd00::2/64", gateway: "fd00::1", routes: [{ dst: "::/0", gw: "fd00::1" }] },
  dns,
};

/** What 0.3.0 to 0.4.0 can say. */
const MIDDLE = {
  interfaces: [{ name: "veth0", mac: "0a:58:00:00:00:01" }, {
    name: "eth0",
    mac: "0a:58:0a:00:00:02",
    sandbox: "/ns",
  }],
  ips: [
    { version: "4", interface: 1, address: "10.0.0.2/24", gateway: "10.0.0.1" },
    { version: "4", interface: 1, address: "10.7.0.2/24" },
    { version: "6", interface: 0, address: "fd00::2/64", gateway: "fd00::1" },
  ],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0", gw: "fd00::1" }, route],
  dns,
};

const withoutVersion = ({ version: _, ...ip }: { version: string }) => ip;

/** What 1.0.0 and 1.1.0 can say. */
const NEW = {
  interfaces: [
    { name: "veth0", mac: "0a:58:00:00:00:01", mtu: 1400 },
    {
      name: "eth0",
      mac: "0a:58:0a:00:00:02",
      sandbox: "/ns",
      socketPath: "/s",
      pciID: "0000:00:1f.6",
    },
  ],
  ips: MIDDLE.ips.map(withoutVersion),
  routes: MIDDLE.routes,
  dns,
};

/** An old result in the middle and new shapes: no interfaces, IPv4 before IPv6. */
const OLD_AS_MIDDLE = {
  ips: [
    { version: "4", address: "10.0.0.2/24", gateway: "10.0.0.1" },
    { version: "6", address: "fd00::2/64", gateway: "fd00::1" },
  ],
  routes: [...OLD.ip4.routes, ...OLD.ip6.routes],
  dns,
};
const OLD_AS_NEW = { ...OLD_AS_MIDDLE, ips: OLD_AS_MIDDLE.ips.map(withoutVersion) };
const MIDDLE_AS_NEW = { ...NEW, interfaces: MIDDLE.interfaces };

const EXPECTED: Record<VersionFamily, Record<VersionFamily, object>> = {
  "0.1": { "0.1": OLD, "0.3": OLD_AS_MIDDLE, "1.0": OLD_AS_NEW },
  "0.3": { "0.1": OLD, "0.3": MIDDLE, "1.0": MIDDLE_AS_NEW },
  "1.0": { "0.1": OLD, "0.3": MIDDLE, "1.0": NEW },
};

for (const from of SPEC_VERSIONS) {
  for (const to of SPEC_VERSIONS) {
    Deno.test(`a result of ${from} becomes one of ${to}`, () => {
      const expected = EXPECTED[familyOf(from)!];
      const given = { cniVersion: from, ...expected[familyOf(from)!] } as JsonObject;
      const before = structuredClone(given);
      const printed = printResult(parseResult(given, ""), to);
      assertEquals<unknown>(printed, { cniVersion: to, ...expected[familyOf(to)!] });
      assertEquals(given, before);
    });
  }
}

Deno.test("the version that is not stated is 0.1.0, in both directions", () => {
  const printed = printResult(parseResult(OLD as JsonObject, ""), "");
  assertEquals<unknown>(printed, { cniVersion: "0.1.0", ...OLD });
});

Deno.test("routes of a family without an address are lost before 0.3.0", () => {
  const result = {
    ips: [{ address: "fd00::2/64" }],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  };
  assertEquals(printResult(result, "0.2.0"), {
    cniVersion: "0.2.0",
    ip6: { ip: "fd00::2/64", routes: [{ dst: "::/0" }] },
    dns: {},
  });
});

Deno.test("an IPv4 address in IPv6 notation is IPv4", () => {
  const result = { ips: [{ address: "::ffff:10.0.0.2/120" }, { address: "::ffff:a:0/64" }] };
  const printed = printResult(result, "0.4.0").ips as JsonObject[];
  assertEquals(printed.map((ip) => ip.version), ["4", "6"]);
});

Deno.test("a result without addresses cannot be said before 0.3.0: code 7, with the way out", () => {
  const result = { interfaces: [{ name: "eth0" }], routes: [{ dst: "::/0" }] };
  for (const version of ["", "0.1.0", "0.2.0"]) {
    const message = "cannot convert: no valid IP addresses, and a result of cniVersion 0.";
    const error = assertThrows(() => printResult(result, version), CniError, message);
    assertEquals(error.code, 7);
    assertEquals(error.message.includes('set "cniVersion" to 0.3.0 or later'), true);
  }
});
