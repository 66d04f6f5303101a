import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { chart } from "./chart.ts";

/** Reads the widths of the bars, in pixels. */
function widths(svg: string): number[] {
  return Array.from(svg.matchAll(/<rect class="s\d" x="\d+" y="\d+" width="([\d.]+)" height="13"/g))
    .map(([, width]) => Number(width));
}

Deno.test("chart(): bars are as long as what they stand for, and an outlier is cut off", () => {
  const svg = chart({
    runs: 3,
    series: ["ours", "theirs & <others>"],
    groups: [
      { label: "bridge ADD", values: [10, 20] },
      { label: "ptp ADD", values: [20, 2000] },
      { label: "bridge DEL", values: [20, null] },
    ],
  });
  const [first, second, third, cut, last] = widths(svg);
  assertEquals([second! / first!, second, third, last], [2, third, last, cut]);
  assertEquals(svg.match(/class="cut"/g)?.length, 1);
  for (const text of ["2000", "not there", "theirs &amp; &lt;others>", "median of 3 runs"]) {
    assertStringIncludes(svg, text);
  }
  assert(svg.includes("prefers-color-scheme:dark"), "readable on a dark page");
});
