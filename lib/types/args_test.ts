import { assertEquals, assertThrows } from "@std/assert";
import { formatArgs, parseArgs, readArgs } from "./args.ts";
import { CniError } from "./error.ts";

function assertFails(run: () => unknown, message: string): void {
  assertEquals(assertThrows(run, CniError, message).code, 4);
}

Deno.test("parseArgs() splits pairs, with empty keys and values as they are", () => {
  assertEquals(parseArgs(""), []);
  assertEquals(parseArgs("A=1;B=;=x;A=2"), [["A", "1"], ["B", ""], ["", "x"], ["A", "2"]]);
});

Deno.test("parseArgs() refuses pieces that are not one pair", () => {
  assertFails(() => parseArgs("A=1;"), 'ARGS: invalid pair ""');
  assertFails(() => parseArgs("A"), 'ARGS: invalid pair "A"');
  assertFails(() => parseArgs("A=1=2"), 'ARGS: invalid pair "A=1=2"');
  assertFails(() => parseArgs('A"'), 'ARGS: invalid pair "A\\""');
});

Deno.test("readArgs() gives known keys, the last of duplicates", () => {
  assertEquals(readArgs("IP=1;MAC=2;IP=3", ["IP", "MAC", "GATEWAY"]), { IP: "3", MAC: "2" });
  assertEquals(readArgs("IP=1;IgnoreUnknown=0", ["IP"]), { IP: "1" });
});

Deno.test("readArgs() refuses unknown keys unless told to ignore them", () => {
  assertFails(() => readArgs("mac=1;IP=2;K=", ["MAC", "IP"]), 'ARGS: unknown args ["mac=1" "K="]');
  assertFails(() => readArgs("K=1;IgnoreUnknown=FALSE", []), 'ARGS: unknown args ["K=1"]');
  assertFails(
    () => readArgs("K=1;ignoreunknown=1", []),
    'ARGS: unknown args ["K=1" "ignoreunknown=1"]',
  );
  for (const yes of ["1", "true", "TRUE"]) {
    assertEquals(readArgs(`IgnoreUnknown=${yes};K8S_POD_NAME=x;IP=2;__proto__=y`, ["IP"]), {
      IP: "2",
    });
  }
});

Deno.test("readArgs() refuses an IgnoreUnknown that is no boolean", () => {
  assertFails(
    () => readArgs("IgnoreUnknown=Yes", []),
    'ARGS: error parsing value of pair "IgnoreUnknown=Yes": boolean unmarshal error: invalid input yes',
  );
});

Deno.test("formatArgs() is the way back, and refuses what has none", () => {
  assertEquals(formatArgs([]), "");
  assertEquals(formatArgs([["A", "1"], ["B", ""], ["C", "x=y"]]), "A=1;B=;C=x=y");
  for (const pair of [["A", "1;B=2"], ["A=", "1"], ["A;", "1"], ["", "1"], ["A", "\0"]] as const) {
    assertFails(() => formatArgs([pair]), "ARGS: invalid pair");
  }
});
