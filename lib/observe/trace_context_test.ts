import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { readTraceContext, traceparent } from "./trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("TRACEPARENT is read, of later versions too, and written", () => {
  const context = { traceId: TRACE, parentId: SPAN, state: "vendor=1", isSampled: true };
  const read = (TRACEPARENT: string) => readTraceContext({ TRACEPARENT, TRACESTATE: "vendor=1" });
  assertEquals(read(`00-${TRACE}-${SPAN}-01`), context);
  assertEquals(read(`cc-${TRACE}-${SPAN}-01-what-the-future`), context);
  assertEquals(read(`00-${TRACE}-${SPAN}-00`).isSampled, false);
  assertEquals(traceparent(context, "00f067aa0ba902b7"), `00-${TRACE}-00f067aa0ba902b7-01`);
  assertEquals(
    traceparent({ ...context, isSampled: false }, SPAN),
    `00-${TRACE}-${SPAN}-00`,
  );
});

Deno.test("TRACEPARENT that is absent or not valid begins a trace", () => {
  const zeros = (digits: number) => "0".repeat(digits);
  const invalid = [
    "",
    "x",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-0`,
    `00-${zeros(32)}-${SPAN}-01`,
    `00-${TRACE}-${zeros(16)}-01`,
  ];
  for (const text of invalid) {
    const { traceId, parentId, isSampled } = readTraceContext({ TRACEPARENT: text });
    assertMatch(traceId, /^[0-9a-f]{32}$/);
    assertEquals([parentId, isSampled], [undefined, true], text);
  }
  assertNotEquals(readTraceContext({}).traceId, readTraceContext({}).traceId);
});
