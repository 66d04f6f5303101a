import { assert, assertEquals } from "@std/assert";
import { CniError, ErrorCode } from "./error.ts";
import type { JsonValue } from "./json.ts";

Deno.test("CniError.toJson() has the specification's keys in its order, details only where there are any", () => {
  const error = CniError.invalidConfig("bad name", "a b");
  assertEquals(
    JSON.stringify(error.toJson("1.1.0")),
    '{"cniVersion":"1.1.0","code":7,"msg":"bad name","details":"a b"}',
  );
  assertEquals(
    JSON.stringify(CniError.tryAgainLater("later").toJson()),
    '{"code":11,"msg":"later"}',
  );
});

Deno.test("CniError.fromJson() reads what toJson() wrote", () => {
  const error = CniError.fromJson(new CniError(123, "m", { details: "d" }).toJson("0.4.0"))!;
  assertEquals([error.code, error.message, error.details], [123, "m", "d"]);
});

Deno.test("CniError.fromJson() refuses what is not an error object", () => {
  const others: (JsonValue | undefined)[] = [
    undefined,
    null,
    [],
    "x",
    {},
    { ips: [] },
    { code: "7" },
    { code: -1 },
    { code: 1.5 },
    { code: 1n },
    { msg: 1 },
  ];
  for (const value of others) {
    assertEquals(CniError.fromJson(value), undefined);
  }
  assertEquals(CniError.fromJson({ msg: "no code" })?.code, ErrorCode.unknown);
});

Deno.test("CniError.withContext() keeps code and details and adds a prefix once", () => {
  const inner = CniError.tryAgainLater("busy", "lock held");
  const outer = inner.withContext("bridge").withContext("bridge");
  assertEquals([outer.code, outer.message, outer.details], [11, "bridge: busy", "lock held"]);
  assertEquals(outer.cause, inner);
});

Deno.test("CniError.from() keeps a CniError and gives others code 999 with their message", () => {
  const own = CniError.io("x");
  assert(CniError.from(own) === own);
  const cause = new TypeError("oops");
  const wrapped = CniError.from(cause);
  assertEquals([wrapped.code, wrapped.message, wrapped.cause], [999, "oops", cause]);
  assertEquals(CniError.from("text").message, "text");
});

Deno.test("CniError.from() gives the error that came first, not the one of cleaning up", () => {
  const both = new SuppressedError(new Error("no space"), CniError.io("no lock", "held"));
  const error = CniError.from(both);
  assertEquals([error.code, error.message, error.details], [5, "no lock", "held; no space"]);
});

Deno.test("CniError prints as the Go library's errors do", () => {
  assertEquals(String(CniError.io("a", "b")), "a; b");
  assertEquals(String(CniError.io("a")), "a");
});

Deno.test("each constructor gives the code of its name", () => {
  const names = Object.keys(ErrorCode).filter((name) => name !== "unknown") as Exclude<
    keyof typeof ErrorCode,
    "unknown"
  >[];
  for (const name of names) {
    const error = CniError[name]("m", "d");
    assertEquals([error.code, error.message, error.details], [ErrorCode[name], "m", "d"], name);
  }
  assertEquals(Object.values(ErrorCode), [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 999]);
});
