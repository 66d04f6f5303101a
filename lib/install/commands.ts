/** The commands `cni install` and `cni uninstall`. */
import { type Command, JSON_OPTION } from "../cli/command.ts";
import type { CommandLine } from "../cli/command_line.ts";
import { printJson } from "../cli/output.ts";
import { UsageError } from "../cli/usage_error.ts";
import { runtime } from "../runtime/mod.ts";
import { install, type InstallReport, type LinkMode, LINKS } from "./install.ts";
import { ownPlugins } from "./own_plugins.ts";
import { uninstall, type UninstallReport } from "./uninstall.ts";

const DRY_RUN = { name: "dry-run", help: "only say what would be done" };
const DIRECTORY = { name: "DIR", completes: "directory" } as const;

/** `cni install` */
export const installCommand: Command = {
  name: "install",
  operands: [DIRECTORY],
  summary: "install this executable into a directory of plugins, or upgrade what is there",
  description:
    "Each file is replaced in one step, while plugins are being executed too. Files of others in\n" +
    "their places are kept aside, and come back with cni uninstall; all other files stay as they\n" +
    "are. What was installed there before, and other names given to plugins, stay and are upgraded.",
  options: [
    {
      name: "links",
      value: "KIND",
      help: "how one file has many names: hard (the default), symlink, or copy",
      completes: () => LINKS,
    },
    {
      name: "only",
      value: "PLUGIN",
      repeated: true,
      help: "install this plugin or tool; all when absent",
      completes: () => ownPlugins(),
    },
    {
      name: "resident",
      help: "in the place of plugins, clients of the resident server (cni serve)",
    },
    {
      name: "as",
      value: "NAME=PLUGIN",
      repeated: true,
      help: "install a plugin or tool under another name as well",
    },
    DRY_RUN,
    JSON_OPTION,
  ],
  example: "cni install /opt/cni/bin",
  json: `{ directory: string; version: string; dryRun: boolean; created: boolean; notes: string[];
  files: { name: string; command: string; action: "added" | "replaced" | "unchanged";
    keptAside: boolean }[] }`,
  async run(line) {
    const report = await install({
      directory: line.operands[0]!,
      links: linksOf(line),
      only: line.texts("only"),
      resident: line.has("resident"),
      renames: renamesOf(line),
      dryRun: line.has("dry-run"),
    });
    tell("install", installLines(report));
    if (line.has("json")) printJson(report);
    return 0;
  },
};

/** `cni uninstall` */
export const uninstallCommand: Command = {
  name: "uninstall",
  operands: [DIRECTORY],
  summary: "remove what cni install has put into a directory, and put back what was there",
  options: [DRY_RUN, JSON_OPTION],
  example: "cni uninstall /opt/cni/bin",
  json: `{ directory: string; dryRun: boolean;
  files: { name: string; action: "removed" | "restored" | "left" }[] }`,
  async run(line) {
    const report = await uninstall(line.operands[0]!, line.has("dry-run"));
    tell("uninstall", uninstallLines(report));
    if (line.has("json")) printJson(report);
    return 0;
  },
};

function linksOf(line: CommandLine): LinkMode {
  const text = line.text("links") ?? "hard";
  const links = LINKS.find((kind) => kind === text);
  if (links) return links;
  throw new UsageError(`--links must be one of ${LINKS.join(", ")}, not ${text}`);
}

/** A file's name, which cannot be taken for an option or a path. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/;

function renamesOf(line: CommandLine): Map<string, string> {
  const renames = new Map<string, string>();
  for (const text of line.texts("as")) {
    const [name = "", command = "", ...rest] = text.split("=");
    if (!NAME.test(name) || command === "" || rest.length > 0) {
      throw new UsageError(`--as must be NAME=PLUGIN, with a file's name, not ${text}`);
    }
    if (renames.has(name) && renames.get(name) !== command) {
      throw new UsageError(`--as gives ${name} twice: ${renames.get(name)} and ${command}`);
    }
    renames.set(name, command);
  }
  return renames;
}

function installLines(report: InstallReport): string[] {
  const { directory, version, dryRun, created, files, notes } = report;
  const would = dryRun ? "would be " : "";
  const named = (action: string) => files.filter((file) => file.action === action);
  const kept = files.filter(({ keptAside }) => keptAside);
  return [
    ...created ? [`${directory} ${would}created`] : [],
    ...list(`${would}added`, named("added").map(label)),
    ...list(`${would}replaced`, named("replaced").map(label)),
    ...list("unchanged", named("unchanged").map(label)),
    ...list(`${would}kept aside for cni uninstall`, kept.map(({ name }) => name)),
    ...notes,
    `${version} ${dryRun ? "would be" : "is"} in ${directory}`,
  ];
}

function label({ name, command }: { name: string; command: string }): string {
  return name === command ? name : `${name} (${command})`;
}

function uninstallLines({ directory, dryRun, files }: UninstallReport): string[] {
  const would = dryRun ? "would be " : "";
  const named = (action: string) =>
    files.filter((file) => file.action === action).map(({ name }) => name);
  return [
    ...list(`${would}removed`, named("removed")),
    ...list(`${would}restored`, named("restored")),
    ...list(`${would}left, since somebody else has replaced them`, named("left")),
    `nothing of cni install ${dryRun ? "would be" : "is"} left in ${directory}`,
  ];
}

function list(what: string, names: readonly string[]): string[] {
  return names.length > 0 ? [`${what}: ${names.join(", ")}`] : [];
}

/** Writes lines to standard error. */
function tell(command: string, lines: readonly string[]): void {
  runtime.write(2, lines.map((line) => `cni ${command}: ${line}\n`).join(""));
}
