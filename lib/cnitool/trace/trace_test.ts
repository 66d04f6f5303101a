import { assertEquals } from "@std/assert";
import type { TraceLine } from "../../observe/trace_file.ts";
import { PLAIN } from "../terminal.ts";
import { traceLines } from "./text.ts";
import { treeOf } from "./tree.ts";

const COMMON = { trace: "t", pid: 7 };

/** A trace file: a line when a span ends, and for a span with parts one when it begins. */
const LINES: TraceLine[] = [
  { ...COMMON, span: "1", kind: "command", name: "cnitool add demo blue", time: 1000 },
  { ...COMMON, span: "2", parent: "1", kind: "operation", name: "bridge ADD", time: 1001 },
  {
    ...COMMON,
    span: "4",
    parent: "2",
    kind: "netlink",
    name: "RTM_NEWLINK",
    time: 1004.25,
    durationMs: 0.5,
    error: "cannot add bridge cni0: EPERM",
    purpose: "add bridge cni0",
    flags: ["NLM_F_CREATE"],
    attributes: { name: "cni0", info: { kind: "bridge" }, list: [1] },
  },
  {
    ...COMMON,
    span: "3",
    parent: "2",
    kind: "lock",
    name: "/run/lock",
    time: 1002,
    durationMs: 8,
    waitedMs: 1.26,
  },
  {
    ...COMMON,
    span: "5",
    parent: "2",
    kind: "batch",
    name: "masquerade 10.1.0.2",
    time: 1011,
    durationMs: 2,
    messages: 2,
    commands: ["add table ip a", "add chain ip a b"],
  },
  {
    ...COMMON,
    span: "2",
    parent: "1",
    kind: "operation",
    name: "bridge ADD",
    time: 1001,
    durationMs: 20,
    network: "demo",
  },
  { ...COMMON, span: "6", parent: "1", kind: "plugin", name: "b ADD", time: 1022, file: "/b" },
  {
    ...COMMON,
    span: "7",
    parent: "unknown",
    kind: "file",
    name: "write /proc/sys/a",
    time: 1030,
    durationMs: 0,
    bytes: 1,
    value: "1",
  },
];

Deno.test("treeOf() makes a tree of lines, in the order of beginning", () => {
  const [command, file, ...others] = treeOf(LINES);
  assertEquals(others, []);
  assertEquals([command!.name, command!.atMs, command!.durationMs], [
    "cnitool add demo blue",
    0,
    undefined,
  ]);
  assertEquals(command!.parts.map(({ name }) => name), ["bridge ADD", "b ADD"]);
  const [bridge] = command!.parts;
  assertEquals([bridge!.atMs, bridge!.durationMs, bridge!.details], [1, 20, { network: "demo" }]);
  assertEquals(bridge!.parts.map(({ kind }) => kind), ["lock", "netlink", "batch"]);
  assertEquals([file!.name, file!.details], ["write /proc/sys/a", { bytes: 1, value: "1" }]);
});

Deno.test("traceLines() has a line for each part, its commands, and what it all was", () => {
  assertEquals(traceLines(treeOf(LINES), PLAIN), [
    "   at ms  took ms",
    "     0.0        …  cnitool add demo blue did not end",
    "     1.0     20.0  ├─ bridge ADD network demo",
    "     2.0      8.0  │  ├─ lock /run/lock waited 1.3 ms",
    "     4.3      0.5  │  ├─ RTM_NEWLINK add bridge cni0: NLM_F_CREATE name=cni0 info.kind=bridge list[0]=1 failed: EPERM",
    "    11.0      2.0  │  └─ rules: masquerade 10.1.0.2 2 commands",
    "                   │          add table ip a",
    "                   │          add chain ip a b",
    "    22.0        …  └─ b ADD executed: /b did not end",
    "    30.0      0.0  write /proc/sys/a = 1",
    "1 plugin executed (0.0 ms), 1 netlink request (0.5 ms), 1 batch of rules (2.0 ms), " +
    "1 change of a file (0.0 ms), 1 lock (8.0 ms)",
  ]);
});
