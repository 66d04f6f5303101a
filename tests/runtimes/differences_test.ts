import { assertEquals } from "@std/assert";
import { differences } from "./differences.ts";
import type { Outcome } from "./run.ts";

function outcome(label: string, observed: Record<string, unknown>, failure?: string): Outcome {
  const plugins = { ours: "/ours", go: "/go" };
  return {
    run: { scenario: "s", label, plugins, first: "ours", then: "ours", programs: "" },
    observed: new Map(Object.entries(observed)),
    seconds: 1,
    kernel: "6.1.0",
    failure,
  };
}

Deno.test("differences: none where every run observed the same", () => {
  const outcomes = ["a", "b", "c"].map((label) => outcome(label, { routes: ["r"] }));
  assertEquals(differences(outcomes), []);
});

Deno.test("differences: another value, and one that only one run has", () => {
  assertEquals(
    differences([outcome("ours", { routes: ["r"] }), outcome("Go", { routes: [], more: 1 })]),
    [
      's: routes is not the same\n  ours: ["r"]\n  Go: []',
      "s: more is not the same\n  ours: nothing\n  Go: 1",
    ],
  );
});

Deno.test("differences: a run that failed is not compared", () => {
  assertEquals(differences([outcome("ours", { a: 1 }), outcome("Go", {}, "it failed")]), []);
});
