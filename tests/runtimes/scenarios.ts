import type { Scenario } from "./scenario.ts";
import { criPods } from "./scenarios/cri_pods.ts";
import { ctrRun } from "./scenarios/ctr_run.ts";
import { podmanRun } from "./scenarios/podman_run.ts";

/** Every scenario, the longest first: what runs beside others ends sooner so. */
export const SCENARIOS: readonly Scenario[] = [
  podmanRun,
  criPods,
  ctrRun,
];
