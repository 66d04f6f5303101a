import type { Scenario } from "./scenario.ts";
import { ctrRun } from "./scenarios/ctr_run.ts";
import { podmanRun } from "./scenarios/podman_run.ts";

/** Every scenario, the longest first: what runs beside others ends sooner so. */
export const SCENARIOS: readonly Scenario[] = [
  podmanRun,
  ctrRun,
];
