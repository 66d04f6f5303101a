import type { CommandLine } from "../cli/command_line.ts";
import { counted } from "../cli/text.ts";
import { runtime } from "../runtime/mod.ts";
import { CniError } from "../types/error.ts";
import { openCni, warn } from "./open_cni.ts";
import { pluginPath } from "./settings.ts";

/**
 * Prints what is wrong with the configuration of a command line's network, as `cnitool validate`
 * does, where standard error is a terminal; with `--strict` always.
 *
 * @throws {CniError} code 7 with `--strict`, where anything is wrong
 */
export async function reportMistakes(line: CommandLine): Promise<void> {
  const isStrict = line.has("strict");
  if (!isStrict && !runtime.isTerminal(2)) return;
  const { validate } = await import("./validate/mod.ts");
  const { targetOf } = await import("./validate/target.ts");
  const { findingLine } = await import("./validate/finding.ts");
  const { files } = await validate(targetOf(line.operands[0]), pluginPath(), openCni());
  const findings = files.flatMap((file) => file.findings);
  for (const finding of findings) warn(findingLine(finding));
  if (!isStrict || findings.length === 0) return;
  throw CniError.invalidConfig(
    `with --strict nothing was done: the configuration has ${counted(findings.length, "mistake")}`,
  );
}
