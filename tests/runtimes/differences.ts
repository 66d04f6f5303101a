import type { Outcome } from "./run.ts";

/**
 * What a scenario's runs observed that is not the same in all of them, a text each. A run that failed
 * is not compared: it may not have come that far.
 */
export function differences(outcomes: readonly Outcome[]): string[] {
  const scenarios = Map.groupBy(
    outcomes.filter(({ failure }) => failure === undefined),
    ({ run }) => run.scenario,
  );
  return Array.from(scenarios).flatMap(([scenario, [first, ...others]]) =>
    others.flatMap((other) => {
      const keys = new Set([...first!.observed.keys(), ...other.observed.keys()]);
      return [...keys].flatMap((key) => {
        const [a, b] = [first!, other].map(({ run, observed }) =>
          [run.label, JSON.stringify(observed.get(key)) ?? "nothing"] as const
        );
        if (a![1] === b![1]) return [];
        const lines = [a!, b!].map(([label, value]) => `\n  ${label}: ${value}`);
        return [`${scenario}: ${key} is not the same${lines.join("")}`];
      });
    })
  );
}
