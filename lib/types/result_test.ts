import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "./error.ts";
import { encodeJson, type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { parseResult } from "./read_result.ts";
import type { Result } from "./result.ts";
import { renderResult } from "./write_result.ts";
import { SPEC_VERSIONS } from "./versions.ts";

// The three texts are what the Go plugins, version 1.9.1, printed.
const BRIDGE_020 = `{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.9.0.5/24",
        "gateway": "10.9.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "10.9.0.1"
            }
        ]
    },
    "ip6": {
        "ip": "fd00:9::5/64",
        "gateway": "fd00:9::1",
        "routes": [
            {
                "dst": "::/0",
                "gw": "fd00:9::1"
            }
        ]
    },
    "dns": {}
}`;
const HOST_DEVICE_031 = `{
    "cniVersion": "0.3.1",
    "interfaces": [
        {
            "name": "net7",
            "mac": "4e:d5:74:11:2d:3d",
            "sandbox": "/run/netns/c2"
        }
    ],
    "dns": {}
}`;
const HOST_DEVICE_110 = `{
    "cniVersion": "1.1.0",
    "interfaces": [
        {
            "mac": "4e:d5:74:11:2d:3d",
            "name": "net7",
            "sandbox": "/run/netns/c2"
        }
    ]
}`;

Deno.test("renderResult() prints to the byte what Go prints: 0.2.0, two families", () => {
  const result: Result = {
    interfaces: [{ name: "eth0", mac: "0a:58:0a:09:00:05", sandbox: "/run/netns/c1" }],
    ips: [
      { address: "10.9.0.5/24", gateway: "10.9.0.1", interface: 0 },
      { address: "fd00:9::5/64", gateway: "fd00:9::1", interface: 0 },
    ],
    routes: [{ dst: "::/0", gw: "fd00:9::1" }, { dst: "0.0.0.0/0", gw: "10.9.0.1" }],
  };
  assertEquals(renderResult(result, "0.2.0"), BRIDGE_020);
  assertEquals(renderResult(parseResult(parseJson(BRIDGE_020), ""), "0.2.0"), BRIDGE_020);
});

Deno.test("renderResult() prints to the byte what Go prints: 0.3.1 and 1.1.0", () => {
  const result: Result = {
    interfaces: [{ sandbox: "/run/netns/c2", mac: "4e:d5:74:11:2d:3d", mtu: 0, name: "net7" }],
  };
  assertEquals(renderResult(result, "0.3.1"), HOST_DEVICE_031);
  assertEquals(renderResult(result, "1.1.0"), HOST_DEVICE_110);
  assertEquals(renderResult(parseResult(parseJson(HOST_DEVICE_031), ""), "1.1.0"), HOST_DEVICE_110);
  assertEquals(renderResult(parseResult(parseJson(HOST_DEVICE_110), ""), "0.3.1"), HOST_DEVICE_031);
});

Deno.test("renderResult() orders the keys of addresses and routes as Go does", () => {
  const result: Result = {
    ips: [{ gateway: "10.9.0.1", interface: 0, address: "10.9.0.5/24" }],
    routes: [{
      scope: 0,
      table: 0,
      priority: 77,
      mtu: 1300,
      gw: "",
      dst: "10.99.0.0/16",
      advmss: 1200,
    }],
    dns: { options: ["o"], search: [], domain: "d", nameservers: ["1.1.1.1"] },
  };
  const compact = (version: string) => encodeJson(parseJson(renderResult(result, version)));
  assertEquals(
    compact("0.4.0"),
    '{"cniVersion":"0.4.0","ips":[{"version":"4","interface":0,"address":"10.9.0.5/24","gateway":"10.9.0.1"}],' +
      '"routes":[{"dst":"10.99.0.0/16","mtu":1300,"advmss":1200,"priority":77,"table":0,"scope":0}],' +
      '"dns":{"nameservers":["1.1.1.1"],"domain":"d","options":["o"]}}',
  );
  assertEquals(
    compact("1.0.0"),
    '{"cniVersion":"1.0.0","dns":{"domain":"d","nameservers":["1.1.1.1"],"options":["o"]},' +
      '"ips":[{"address":"10.9.0.5/24","gateway":"10.9.0.1","interface":0}],' +
      '"routes":[{"advmss":1200,"dst":"10.99.0.0/16","mtu":1300,"priority":77,"scope":0,"table":0}]}',
  );
});

Deno.test("an empty result leaves out everything but the version, and before 1.0.0 dns", () => {
  const empty: Result = { interfaces: [], ips: [], routes: [], dns: {} };
  for (const result of [empty, {}]) {
    assertEquals(renderResult(result, "1.1.0"), '{\n    "cniVersion": "1.1.0"\n}');
    assertEquals(renderResult(result, "0.3.0"), '{\n    "cniVersion": "0.3.0",\n    "dns": {}\n}');
  }
});

Deno.test("parseResult() goes by the version in the result, else by the default", () => {
  const old = { ip4: { ip: "10.0.0.2/8" } };
  const ips = [{ address: "10.0.0.2/8" }];
  assertEquals(parseResult({ cniVersion: "0.2.0", ...old }, "1.1.0"), { ips });
  const unstatedVersions: JsonObject[] = [{}, { cniVersion: "" }, { cniVersion: null }, {
    cniVersion: 1,
  }];
  for (const unstated of unstatedVersions) {
    assertEquals(parseResult({ ...unstated, ...old }, "0.1.0"), { ips });
    assertEquals(parseResult({ ...unstated, ...old }, ""), { ips });
  }
  assertEquals(
    parseResult(
      { IPs: [{ Address: "10.0.0.2/8", gateway: null, Interface: 0 }], dns: null },
      "1.0.0",
    ),
    {
      ips: [{ address: "10.0.0.2/8", interface: 0 }],
    },
  );
  assertEquals(parseResult(null, "1.1.0"), {});
});

Deno.test("an unknown version fails with code 1, naming it", () => {
  const message = 'unsupported CNI result version "1.2.0"';
  assertEquals(
    assertThrows(() => parseResult({ cniVersion: "1.2.0" }, "1.1.0"), CniError, message).code,
    1,
  );
  assertEquals(assertThrows(() => renderResult({}, "1.2.0"), CniError, message).code, 1);
});

Deno.test("keys that the specification does not know survive in every version", () => {
  for (const version of SPEC_VERSIONS.filter((version) => version >= "0.3.0")) {
    const text = `{"cniVersion": "${version}", "x": [1], "__proto__": {"y": 1}, "dns": {"x": "d"},
      "interfaces": [{"name": "a", "x": "i"}], "routes": [{"dst": "::/0", "x": "r"}],
      "ips": [{"version": "6", "address": "::2/64", "x": 18446744073709551615}]}`;
    const printed = parseJson(renderResult(parseResult(parseJson(text), ""), version)) as Record<
      string,
      JsonValue
    >;
    assertEquals(printed.x, [1]);
    assertEquals(Object.getOwnPropertyDescriptor(printed, "__proto__")?.value, { y: 1 });
    assertEquals(printed.interfaces, [{ name: "a", x: "i" }]);
    assertEquals(printed.routes, [{ dst: "::/0", x: "r" }]);
    const versioned: JsonObject = version < "1.0.0" ? { version: "6" } : {};
    assertEquals(printed.ips, [{ ...versioned, address: "::2/64", x: 18446744073709551615n }]);
    assertEquals(printed.dns, { x: "d" });
  }
  const old = {
    cniVersion: "0.2.0",
    x: 1,
    ip4: { ip: "10.0.0.2/8", x: 2, routes: [{ dst: "0.0.0.0/0", x: 3 }] },
    dns: {},
  };
  assertEquals(parseJson(renderResult(parseResult(old, ""), "0.2.0")), old);
});

Deno.test("parseResult() fails with code 6, naming field, value and type", () => {
  const cases: [value: JsonValue, message: string][] = [
    ["x", 'it must be an object, not "x"'],
    [[], "it must be an object, not []"],
    [{ interfaces: {} }, '"interfaces" is an object, but must be a list'],
    [{ interfaces: [null] }, '"interfaces[0]" is null, but must be an object'],
    [{ interfaces: [{ name: 1 }] }, '"interfaces[0].name" is 1 (a number), but must be a string'],
    [{ interfaces: [{ mac: [] }] }, '"interfaces[0].mac" is a list, but must be a string'],
    [
      { interfaces: [{ mtu: "1" }] },
      '"interfaces[0].mtu" is "1" (a string), but must be an integer from 0 on',
    ],
    [
      { ips: [{}] },
      '"ips[0].address" is missing: it must be an address with a prefix length, such as "10.1.2.3/24"',
    ],
    [
      { ips: [{ address: "10.0.0.1" }] },
      '"ips[0].address" is "10.0.0.1" (a string), but must be an address with a prefix length, such as "10.1.2.3/24"',
    ],
    [
      { ips: [{ address: "::1/64" }, { address: "::1/64", interface: -1 }] },
      '"ips[1].interface" is -1 (a number), but must be an integer from 0 on',
    ],
    [
      { ips: [{ address: "::1/64", gateway: 1 }] },
      '"ips[0].gateway" is 1 (a number), but must be a string',
    ],
    [{ routes: [{ dst: 1 }] }, '"routes[0].dst" is 1 (a number), but must be a string'],
    [
      { routes: [{ dst: "::/0", table: 1.5 }] },
      '"routes[0].table" is 1.5 (a number), but must be an integer from 0 on',
    ],
    [{ dns: { search: "a" } }, '"dns.search" is "a" (a string), but must be a list of strings'],
    [{ cniVersion: "0.2.0", ip6: [] }, '"ip6" is a list, but must be an object'],
    [
      { cniVersion: "0.2.0", ip4: { gateway: "1" } },
      '"ip4.ip" is missing: it must be an address with a prefix length, such as "10.1.2.3/24"',
    ],
    [
      { cniVersion: "0.2.0", ip4: { ip: "1.1.1.1/8", routes: [1] } },
      '"ip4.routes[0]" is 1 (a number), but must be an object',
    ],
  ];
  for (const [value, message] of cases) {
    const error = assertThrows(() => parseResult(value, "1.1.0"), CniError);
    assertEquals([error.code, error.message], [6, `invalid result: ${message}`]);
  }
});

Deno.test("parseResult() takes from a result of 0.1.0 or 0.2.0 only what those versions know", () => {
  const later = { ips: "10.1.2.3", interfaces: {}, Routes: 7 };
  const old = { cniVersion: "0.1.0", ip4: { ip: "10.1.2.3/24" }, note: "kept" };
  assertEquals(parseResult({ ...old, ...later }, ""), {
    ips: [{ address: "10.1.2.3/24" }],
    note: "kept",
  } as unknown as ReturnType<typeof parseResult>);
});
