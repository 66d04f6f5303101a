import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CniError } from "../types/error.ts";
import { goObject, integer, withDefault } from "../types/schema.ts";
import { SPEC_VERSIONS } from "../types/versions.ts";
import { COMMANDS } from "./commands.ts";
import { dispatch } from "./dispatch.ts";
import { definePlugin, type Plugin } from "./plugin.ts";

const config = { cniVersion: "1.1.0", name: "net", type: "sample" };
const environment = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "c1",
  CNI_NETNS: "/run/netns/none",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};

/** A plugin that records what it was asked. */
function sample(overrides: Partial<Plugin<{ mtu: number }>> = {}) {
  const calls: string[] = [];
  const plugin = definePlugin<{ mtu: number }>({
    name: "sample",
    options: () => goObject({ mtu: withDefault(integer({ min: 0 }), 0) }),
    add: () => {
      calls.push("ADD");
      return { ips: [{ address: "10.1.0.2/16" }] };
    },
    del: () => void calls.push("DEL"),
    check: () => void calls.push("CHECK"),
    status: () => void calls.push("STATUS"),
    gc: ({ validAttachments }) => void calls.push(`GC ${JSON.stringify(validAttachments)}`),
    ...overrides,
  });
  return { plugin, calls };
}

async function call(
  plugin: Plugin<{ mtu: number }>,
  env: Record<string, string | undefined> = {},
  stdin: unknown = config,
) {
  const given = Object.entries({ ...environment, ...env }).filter(([, value]) =>
    value !== undefined
  );
  const { stdout, exitCode } = await dispatch(plugin, {
    env: Object.fromEntries(given) as Record<string, string>,
    stdin: () => typeof stdin === "string" ? stdin : JSON.stringify(stdin),
  });
  return { exitCode, stdout, json: stdout === "" ? undefined : JSON.parse(stdout) };
}

Deno.test("dispatch() answers ADD with the result in the configuration's version", async () => {
  const { plugin, calls } = sample();
  const { exitCode, stdout } = await call(plugin, {}, { ...config, cniVersion: "0.2.0" });
  assertEquals(exitCode, 0);
  assertEquals(calls, ["ADD"]);
  assertEquals(
    stdout,
    `{\n    "cniVersion": "0.2.0",\n    "ip4": {\n        "ip": "10.1.0.2/16"\n    },\n    "dns": {}\n}`,
  );
});

Deno.test("dispatch() answers DEL, CHECK, STATUS and GC with nothing", async () => {
  for (const command of ["DEL", "CHECK", "STATUS", "GC"]) {
    const { plugin, calls } = sample();
    const stdin = { ...config, "cni.dev/valid-attachments": [] };
    const { exitCode, stdout } = await call(plugin, { CNI_COMMAND: command }, stdin);
    assertEquals([exitCode, stdout], [0, ""]);
    assert(calls[0]!.startsWith(command));
  }
});

Deno.test("dispatch() hands GC the valid attachments", async () => {
  const { plugin, calls } = sample();
  const valid = [{ containerID: "a", ifname: "eth0" }];
  await call(plugin, { CNI_COMMAND: "GC" }, { ...config, "cni.dev/valid-attachments": valid });
  const told = [{ network: "net", containerId: "a", ifName: "eth0" }];
  assertEquals(calls, [`GC ${JSON.stringify(told)}`]);
});

Deno.test("dispatch() answers VERSION compactly, without reading standard input", async () => {
  const { plugin } = sample();
  const { stdout } = await dispatch(plugin, {
    env: { CNI_COMMAND: "VERSION" },
    stdin: () => {
      throw new Error("read");
    },
  });
  const versions = JSON.stringify(SPEC_VERSIONS);
  assertEquals(stdout, `{"cniVersion":"1.1.0","supportedVersions":${versions}}\n`);
});

Deno.test("dispatch() lists every variable that is missing", async () => {
  for (const [command, { needs }] of Object.entries(COMMANDS)) {
    const { plugin, calls } = sample();
    const none = Object.fromEntries(Object.keys(environment).map((name) => [name, undefined]));
    const { json } = await call(plugin, { ...none, CNI_COMMAND: command });
    assertEquals(json.code, 4);
    assertEquals(json.msg, `required env variables [${needs.join(",")}] missing`);
    assertEquals(calls, []);
  }
});

const BAD_INPUT: [
  what: string,
  env: Record<string, string>,
  stdin: unknown,
  code: number,
  words: string,
][] = [
  ["an unknown command", { CNI_COMMAND: "FROB" }, config, 4, "unknown CNI_COMMAND: FROB"],
  ["a container ID with a slash", { CNI_CONTAINERID: "../x" }, config, 4, "containerID"],
  ["an interface name with a slash", { CNI_IFNAME: "a/b" }, config, 4, "interface name"],
  ["an interface name that is too long", { CNI_IFNAME: "x".repeat(16) }, config, 4, "too long"],
  ["no JSON", {}, "{", 6, "JSON"],
  ["JSON that is no object", {}, "[]", 6, "JSON object"],
  ["input that is too long", {}, " ".repeat(17 * 1024 * 1024), 6, "longer than"],
  ["no network name", {}, { ...config, name: "" }, 7, "network name"],
  ["a network name with a slash", {}, { ...config, name: "a/../b" }, 7, "network name"],
  ["a wrong type in the common fields", {}, { ...config, ipam: "x" }, 7, "ipam"],
  ["a wrong type in the plugin's options", {}, { ...config, mtu: "1500" }, 7, '"mtu" is "1500"'],
  [
    "a namespace that cannot be looked at",
    { CNI_NETNS: `/${"x".repeat(5000)}` },
    config,
    8,
    "CNI_NETNS",
  ],
  ["an unknown version", {}, { ...config, cniVersion: "9.9.9" }, 1, "incompatible CNI versions"],
  ["a version that is no version", {}, { ...config, cniVersion: "x" }, 1, "incompatible"],
  [
    "STATUS before 1.1.0",
    { CNI_COMMAND: "STATUS" },
    { ...config, cniVersion: "1.0.0" },
    1,
    "STATUS",
  ],
  ["GC before 1.1.0", { CNI_COMMAND: "GC" }, { ...config, cniVersion: "1.0.0" }, 1, "GC"],
  ["CHECK before 0.4.0", { CNI_COMMAND: "CHECK" }, { ...config, cniVersion: "0.3.1" }, 1, "CHECK"],
  [
    "a prevResult that is none",
    {},
    { ...config, prevResult: { cniVersion: "7" } },
    6,
    "prevResult",
  ],
];
for (const [what, env, stdin, code, words] of BAD_INPUT) {
  Deno.test(`dispatch() refuses ${what}, and no handler runs`, async () => {
    const { plugin, calls } = sample();
    const { json, exitCode } = await call(plugin, env, stdin);
    assertEquals([json.code, exitCode], [code, 1], json.msg);
    assertStringIncludes(`${json.msg} ${json.details ?? ""}`, words);
    assertEquals(calls, []);
  });
}

Deno.test("dispatch() lets DEL and GC go on with a configuration that is wrong", async () => {
  const { plugin, calls } = sample();
  const wrong = {
    ...config,
    mtu: "1500",
    ipam: "host-local",
    dns: { search: "example.org" },
    capabilities: ["mac"],
    runtimeConfig: 7,
    args: [],
    prevResult: "none",
    "cni.dev/valid-attachments": [],
  };
  for (const command of ["DEL", "GC"]) {
    assertEquals((await call(plugin, { CNI_COMMAND: command }, wrong)).exitCode, 0);
  }
  assertEquals(calls.map((made) => made.split(" ")[0]), ["DEL", "GC"]);
});

Deno.test("dispatch() refuses to ADD to the plugin's own namespace before any work is done", async () => {
  const { plugin, calls } = sample();
  const own = { CNI_NETNS: "/proc/thread-self/ns/net" };
  assertEquals((await call(plugin, own)).json.code, 8);
  assertEquals(calls, []);
  assertEquals((await call(plugin, { ...own, CNI_NETNS_OVERRIDE: "TRUE" })).exitCode, 0);
  assertEquals(calls, ["ADD"]);
});

Deno.test("dispatch() hands DEL, and what it delegates to, no namespace that is the plugin's own", async () => {
  const seen: string[] = [];
  const { plugin } = sample({
    del: ({ netns, env }) => void seen.push(netns, env.CNI_NETNS!),
  });
  const own = "/proc/thread-self/ns/net";
  const del = { CNI_COMMAND: "DEL", CNI_NETNS: own };
  assertEquals((await call(plugin, del)).exitCode, 0);
  assertEquals((await call(plugin, { ...del, CNI_NETNS_OVERRIDE: "1" })).exitCode, 0);
  assertEquals((await call(plugin, { ...del, CNI_NETNS: "/run/netns/none" })).exitCode, 0);
  assertEquals(seen, ["", "", own, own, "/run/netns/none", "/run/netns/none"]);
});

Deno.test("dispatch() undoes a failing ADD in reverse, and says what it could not undo", async () => {
  const undone: string[] = [];
  const { plugin } = sample({
    add({ undo }) {
      undo.step("the first", () => {}, () => void undone.push("first"));
      undo.step("the second", () => {}, () => {
        throw new Error("stuck");
      });
      undo.step("the third", () => {}, () => void undone.push("third"));
      throw CniError.invalidConfig("no room", "at all");
    },
  });
  const { json } = await call(plugin);
  assertEquals(undone, ["third", "first"]);
  assertEquals([json.code, json.msg], [7, "no room"]);
  assertEquals(json.details, "at all; the second could not be taken back: stuck");
});

Deno.test("dispatch() undoes an ADD whose result the caller's version cannot carry", async () => {
  let undone = false;
  const { plugin } = sample({
    add({ undo }) {
      undo.step("it", () => {}, () => void (undone = true));
      return { interfaces: [{ name: "eth0" }] };
    },
  });
  const { json } = await call(plugin, {}, { ...config, cniVersion: "0.2.0" });
  assertStringIncludes(json.msg, "cannot convert");
  assert(undone);
});

Deno.test("dispatch() undoes an ADD that is interrupted", async () => {
  let undone = false;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const { plugin } = sample({
    add({ undo }) {
      undo.step("it", () => {}, () => void (undone = true));
      reject(CniError.internal("interrupted by SIGTERM"));
      return new Promise(() => {});
    },
  });
  const stdin = () => JSON.stringify(config);
  const { stdout } = await dispatch(plugin, { env: environment, stdin }, interrupted);
  assertStringIncludes(stdout, "interrupted by SIGTERM");
  assert(undone);
});

Deno.test("dispatch() says how to take an ADD back whose result gets lost", async () => {
  const undone: string[] = [];
  const { plugin } = sample({
    add({ undo }) {
      undo.step("it", () => {}, () => void undone.push("it"));
      return {};
    },
  });
  const stdin = () => JSON.stringify(config);
  const { exitCode, takeBack } = await dispatch(plugin, { env: environment, stdin });
  assertEquals([exitCode, undone], [0, []]);
  assertEquals(await takeBack!(), []);
  assertEquals(undone, ["it"]);
});

Deno.test("dispatch() lets an interrupted ADD end its step, and undoes that too", async () => {
  const done: string[] = [];
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const { plugin } = sample({
    async add({ undo }) {
      await undo.step(
        "it",
        async () => {
          reject(CniError.internal("interrupted by SIGTERM"));
          await new Promise((resolve) => setTimeout(resolve, 50)); // A program that is under way.
          done.push("made");
        },
        () => void done.push("removed"),
      );
      undo.step("the next", () => done.push("next made"), () => void done.push("next removed"));
      return {};
    },
  });
  const stdin = () => JSON.stringify(config);
  const { stdout } = await dispatch(plugin, { env: environment, stdin }, interrupted);
  assertStringIncludes(stdout, "interrupted by SIGTERM");
  assertEquals(done, ["made", "removed"]);
});

Deno.test("dispatch() begins nothing once it is interrupted, and says what goes on after a DEL was", async () => {
  const done: string[] = [];
  const { promise: later, resolve: end } = Promise.withResolvers<void>();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const { plugin } = sample({
    async del() {
      reject(CniError.internal("interrupted by SIGTERM"));
      await later;
      done.push("removed");
    },
  });
  const env = { ...environment, CNI_COMMAND: "DEL" };
  const stdin = () => JSON.stringify(config);
  const { stdout, settled } = await dispatch(plugin, { env, stdin }, interrupted);
  assertStringIncludes(stdout, "interrupted by SIGTERM");
  assertEquals(done, []);
  end();
  await settled;
  assertEquals(done, ["removed"]);
  await dispatch(plugin, { env, stdin }, interrupted);
  assertEquals(done, ["removed"]);
});

Deno.test("dispatch() turns any exception into one error object with the configuration's version", async () => {
  const { plugin } = sample({
    check: () => {
      throw new TypeError("oops");
    },
  });
  const version = "1.0.0";
  const { stdout } = await call(plugin, { CNI_COMMAND: "CHECK" }, {
    ...config,
    cniVersion: version,
  });
  assertEquals(
    stdout,
    `{\n    "cniVersion": "1.0.0",\n    "code": 999,\n    "msg": "plugin sample failed at CHECK, ` +
      `by a mistake of its own: TypeError: oops"\n}`,
  );
});

Deno.test("dispatch() says of a plugin's own mistakes whose they are, and undoes what was made", async () => {
  const returned: [unknown, string][] = [
    [undefined, "its add() returned nothing, and must return a result"],
    ["done", 'its add() returned "done" (a string)'],
    [{ ips: [{ address: "10.1.0.2" }] }, '"ips[0].address" is "10.1.0.2" (a string)'],
    [{ ips: [{ address: "10.1.0.300/24" }] }, '"ips[0].address" is "10.1.0.300/24"'],
    [{ ips: ["10.1.0.2/24"] }, '"ips[0]" is "10.1.0.2/24" (a string), but must be an object'],
    [{ routes: [{ dst: "::/0", gw: "router" }] }, '"routes[0].dst" is "::/0 by router"'],
    [{ interfaces: [{ name: "a b" }] }, '"interfaces[0].name" is "a b"'],
  ];
  for (const [result, words] of returned) {
    let undone = false;
    const { plugin } = sample({
      add({ undo }) {
        undo.step("it", () => {}, () => void (undone = true));
        return result as never;
      },
    });
    const { exitCode, json } = await call(plugin);
    assertEquals([exitCode, json.code, undone], [1, 999, true]);
    assertStringIncludes(json.msg, "plugin sample failed at ADD, by a mistake of its own");
    assertStringIncludes(json.msg, words);
  }
  const { plugin } = sample({
    add: () => (undefined as unknown as { ips: [] }).ips as never,
  });
  const { json } = await call(plugin);
  assertStringIncludes(json.msg, "plugin sample failed at ADD, by a mistake of its own: TypeError");
});

Deno.test("dispatch() takes no name or address of prevResult that is none", async () => {
  const prevResults: [object, string][] = [
    [{ interfaces: [{ name: "br0\n-A INPUT -s 6.6.6.6/32 -j ACCEPT" }] }, "interfaces[0].name"],
    [{ interfaces: [{ name: "../../kernel" }] }, "interfaces[0].name"],
    [{ ips: [{ address: "10.1.0.2/33" }] }, "ips[0].address"],
    [{ ips: [{ address: "10.1.0.2/24", gateway: "x; drop" }] }, "ips[0].address"],
    [{ routes: [{ dst: "0.0.0.0/99" }] }, "routes[0].dst"],
  ];
  for (const [wrong, words] of prevResults) {
    for (const command of ["ADD", "CHECK"]) {
      const { plugin, calls } = sample();
      const prevResult = { cniVersion: "1.1.0", ...wrong };
      const { json } = await call(plugin, { CNI_COMMAND: command }, { ...config, prevResult });
      assertEquals([json.code, calls], [6, []]);
      assertStringIncludes(json.msg, `could not parse prevResult: "${words}"`);
    }
  }
  const seen: unknown[] = [];
  const { plugin } = sample({ del: ({ prevResult }) => void seen.push(prevResult) });
  const prevResult = {
    cniVersion: "1.1.0",
    interfaces: [{ name: "a\nb" }, { name: "eth0" }],
    ips: [{ address: "10.1.0.2/99" }, { address: "10.1.0.3/24", interface: 1 }],
  };
  await call(plugin, { CNI_COMMAND: "DEL" }, { ...config, prevResult });
  assertEquals(seen, [{
    interfaces: [{ name: "" }, { name: "eth0" }],
    ips: [{ address: "10.1.0.3/24", interface: 1 }],
  }]);
});

Deno.test("dispatch() lets DEL go on without a prevResult that cannot be read", async () => {
  for (const wrong of [{ cniVersion: "7" }, { cniVersion: "1.1.0", ips: 1 }, []]) {
    const seen: unknown[] = [];
    const { plugin } = sample({ del: ({ prevResult }) => void seen.push(prevResult) });
    const { exitCode } = await call(plugin, { CNI_COMMAND: "DEL" }, {
      ...config,
      prevResult: wrong,
    });
    assertEquals([exitCode, seen], [0, [undefined]]);
  }
});

Deno.test("dispatch() gives DEL the same prevResult whenever it asks, and to a copy", async () => {
  const seen: unknown[] = [];
  const { plugin } = sample({
    del(call) {
      seen.push(call.prevResult, { ...call }.prevResult);
    },
  });
  const prevResult = { cniVersion: "1.1.0", interfaces: [{ name: "eth0" }] };
  await call(plugin, { CNI_COMMAND: "DEL" }, { ...config, prevResult });
  assert(seen[0] === seen[1]);
  assertEquals(seen[0], { interfaces: [{ name: "eth0" }] });
});
