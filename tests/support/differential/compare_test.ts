import { assertEquals } from "@std/assert";
import { acceptedBy, compareCrossed, compareLives } from "./compare.ts";
import { enumerated, untried } from "./configurations.ts";
import { factsOf } from "./facts.ts";
import { SUBJECTS } from "./subjects.ts";
import type { Ending, Life } from "./trial.ts";

const fine: Ending = { code: 0, said: "" };
const failed: Ending = { code: 1, error: 7, said: "no" };
const rest = { check: fine, gc: fine, del: fine, left: ["host link up0"] };
const life: Life = {
  status: fine,
  before: ["host link up0"],
  add: fine,
  result: ["ips.0.address: x"],
  text: "{}",
  made: ["host link up0", "container link eth0"],
  rest,
};
const { rest: _, ...begun } = life;
const refused: Life = { ...begun, add: failed, made: life.before };

Deno.test("compareLives() finds each kind of difference, and none between equals", () => {
  const changed: readonly [Partial<Life>, readonly string[]][] = [
    [{}, []],
    [{ status: failed }, ["STATUS: success, ours: 7 (no)"]],
    [{ result: [] }, ["result, only Go: ips.0.address: x"]],
    [{ text: "{ }" }, ["result as text: {}, ours: { }"]],
    [{ made: life.before }, ["after ADD, only Go: container link eth0"]],
    [{ rest: { ...rest, check: failed } }, ["CHECK: success, ours: 7 (no)"]],
    [{ rest: { ...rest, gc: failed } }, ["GC: success, ours: 7 (no)"]],
    [{ rest: { ...rest, del: failed } }, ["DEL: success, ours: 7 (no)"]],
    [{ rest: { ...rest, left: life.made } }, ["after DEL, only ours: container link eth0"]],
  ];
  for (const [change, found] of changed) {
    assertEquals(compareLives(life, { ...life, ...change }), found);
  }
});

Deno.test("compareLives() wants refusals to be both's, and ours to leave nothing", () => {
  assertEquals(compareLives(refused, refused), []);
  assertEquals(compareLives(life, refused), ["ADD: success, ours: 7 (no)"]);
  assertEquals(compareLives(refused, life), ["ADD: 7 (no), ours: success"]);
  assertEquals(compareLives(refused, { ...refused, add: { ...failed, error: 999 } }), [
    "ADD: 7 (no), ours: 999 (no)",
  ]);
  assertEquals(compareLives(refused, { ...refused, made: life.made }), [
    "after failed ADD of ours: + container link eth0",
    "after failed ADD, only ours: container link eth0",
  ]);
});

Deno.test("compareCrossed() finds calls that end otherwise, and what they leave", () => {
  assertEquals(compareCrossed("our", life, life), []);
  const crossed = { ...life, rest: { check: failed, gc: fine, del: failed, left: life.made } };
  assertEquals(compareCrossed("our", life, crossed), [
    "our CHECK of the other's: success, ours: 7 (no)",
    "our DEL of the other's: success, ours: 7 (no)",
    "after our DEL of the other's: container link eth0",
  ]);
});

Deno.test("acceptedBy() accepts nothing that the list does not have", () => {
  const [subject] = SUBJECTS;
  const [configuration] = enumerated(subject!);
  const accepted = (line: string) => acceptedBy(line, subject!, configuration!)?.id;
  assertEquals(accepted("after failed ADD, only Go: host link br0"), "undone");
  assertEquals(accepted("after failed ADD of ours: + host link br0"), undefined);
  assertEquals(accepted("ADD: success, ours: 999 (x)"), undefined);
});

Deno.test("factsOf() leaves names and addresses out that are made by chance", () => {
  const snapshot = new Map([
    ["host link veth0123456789a", '{"address":"0a:58:0a:07:00:02","master":"br0"}'],
    ["host route4 {} #2", ""],
    ["directory /run/cni", "755"],
  ]);
  assertEquals(factsOf(snapshot, ""), [
    'host link VETH address: "MAC"',
    'host link VETH master: "br0"',
    "host route4 {}",
  ]);
  assertEquals(
    factsOf(snapshot, "0A-58-0A-07-00-02")[0],
    'host link VETH address: "0a:58:0a:07:00:02"',
  );
});

Deno.test("untried() names the keys that no configuration sets", () => {
  const [bridge] = SUBJECTS;
  assertEquals(untried(bridge!), []);
  const { mtu: _, ...options } = bridge!.options;
  assertEquals(untried({ ...bridge!, options }), ["mtu"]);
});
