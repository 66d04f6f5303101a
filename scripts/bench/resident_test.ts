import { assertEquals } from "@std/assert";
import { whyNotServed } from "./resident.ts";

Deno.test("whyNotServed(): a server that did all calls, and what it says of others", () => {
  const none = { served: 3, inFlight: 0, declined: {} };
  assertEquals(whyNotServed(3, none), undefined);
  assertEquals(whyNotServed(4, { ...none, inFlight: 1 }), undefined);
  assertEquals(whyNotServed(4, none), "4 made, 3 served, declined: none");
  assertEquals(
    whyNotServed(6, { ...none, declined: { "another executable": 2, shutdown: 1 } }),
    "6 made, 3 served, declined: another executable (2), shutdown (1)",
  );
});
