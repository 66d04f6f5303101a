import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { counted } from "../../cli/text.ts";
import type { Diagnosis } from "../doctor/diagnosis.ts";

/** `cnitool doctor` */
export const doctor: Command = {
  name: "doctor",
  operands: [],
  summary: "look this host over: what keeps networks from working, and what is left of those gone",
  description:
    `Looked at are privileges, the machine, the kernel, firewall backends, other programs that manage the network,
plugins, configurations, and leftovers. Nothing is changed; what is tried is tried in a namespace of
its own. The exit status is 1 where something that is configured does not work.`,
  options: [JSON_OPTION],
  example: "cnitool doctor",
  json: `{ problems: number; warnings: number;
  areas: { area: string;
    diagnoses: { state: "fine" | "note" | "warning" | "problem";
      message: string;
      remedy?: string }[] }[] }`,
  failing: () => "look this host over",
  async run(line) {
    const { examine } = await import("../doctor/mod.ts");
    const areas = await examine();
    const count = (state: Diagnosis["state"]) =>
      areas.flatMap(({ diagnoses }) => diagnoses).filter((one) => one.state === state).length;
    const [problems, warnings] = [count("problem"), count("warning")];
    print(line, { problems, warnings, areas }, () => [
      ...areas.filter(({ diagnoses }) => diagnoses.length > 0).flatMap(({ area, diagnoses }) => [
        `${area}:`,
        ...diagnoses.flatMap(linesOf),
      ]),
      problems + warnings === 0
        ? "nothing is amiss"
        : `${counted(problems, "problem")}, ${counted(warnings, "warning")}`,
    ]);
    return problems > 0 ? 1 : 0;
  },
};

function linesOf({ state, message, remedy }: Diagnosis): string[] {
  const marked = state === "fine" ? message : `${state}: ${message}`;
  return [`  ${marked}`, ...remedy === undefined ? [] : [`    what helps: ${remedy}`]];
}
