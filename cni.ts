/**
 * cni serves what is not asked by a container runtime: the resident server, daemons, and what the
 * executable is. `cni --help` says how. What explains and repairs networks is cnitool.
 *
 * @module
 */
import { type Command, JSON_OPTION, type Program } from "./lib/cli/command.ts";
import { completionCommand } from "./lib/cli/completion.ts";
import { print } from "./lib/cli/output.ts";
import { runProgram } from "./lib/cli/run_program.ts";
import { installCommand, uninstallCommand } from "./lib/install/commands.ts";
import { ownPlugins } from "./lib/install/own_plugins.ts";
import { serveCommand, statusCommand } from "./lib/resident/commands.ts";
import { messageOf } from "./lib/runtime/errors.ts";
import { runtime } from "./lib/runtime/mod.ts";
import { BUILD_COMMIT, BUILD_DATE, BUILD_VERSION } from "./lib/skel/build_version.ts";
import { CniError } from "./lib/types/error.ts";
import { SPEC_VERSIONS } from "./lib/types/versions.ts";

const version: Command = {
  name: "version",
  operands: [],
  summary: "print the version, and which plugins this executable is",
  options: [JSON_OPTION],
  example: "cni version --json",
  json: `{ version: string; commit: string; date: string; runtime: string; executable: string;
  supportedVersions: string[]; plugins: string[] }`,
  run(line) {
    const facts = {
      version: BUILD_VERSION,
      commit: BUILD_COMMIT,
      date: BUILD_DATE,
      runtime: `${runtime.name} ${runtime.version}`,
      executable: runtime.executable,
      supportedVersions: SPEC_VERSIONS,
      plugins: ownPlugins(),
    };
    print(line, facts, () => [
      `cni ${facts.version} (${facts.runtime})`,
      ...facts.commit ? [`commit ${facts.commit} of ${facts.date}`] : [],
      `CNI protocol versions supported: ${SPEC_VERSIONS.join(", ")}`,
      `plugins: ${facts.plugins.join(", ")}`,
    ]);
    return 0;
  },
};

/** Commands that have lines of their own, and tell of them with `--help`. */
const dhcp: Command = {
  name: "dhcp",
  operands: [],
  rest: "[OPTION…]",
  forwards: true,
  summary: "the DHCP daemon, which holds containers' leases: cni dhcp --help tells more",
  options: [],
  example: "cni dhcp daemon",
  async run({ rest }) {
    const { runDhcpCommand } = await import("./plugins/ipam/dhcp/commands.ts");
    return await runDhcpCommand(rest.length > 0 ? rest : ["--help"]);
  },
};

const firewallReload: Command = {
  name: "firewall-reload",
  operands: [],
  rest: "[OPTION…]",
  forwards: true,
  summary: "put back the rules of containers that somebody flushed: --once, or --watch for it",
  options: [],
  example: "cni firewall-reload --watch",
  async run({ rest }) {
    const { main } = await import("./plugins/meta/firewall/tools/firewall_reload.ts");
    return await main(rest);
  },
};

/** @see Program */
export const CNI: Program = {
  name: "cni",
  summary: "The CNI plugins in one executable: serves their calls, runs their daemons.",
  commands: [
    completionCommand("cni"),
    dhcp,
    firewallReload,
    installCommand,
    serveCommand,
    statusCommand,
    uninstallCommand,
    version,
  ],
  notes:
    `A plugin is run by its name, too, as in cni bridge; container runtimes run it by its file in the
plugin directory. Networks are explained, tried and repaired by cnitool.`,
  explain: (error, command) =>
    `cni ${command}: ${error instanceof CniError ? error : messageOf(error)}\n`,
};

/** Runs cni. Returns its exit status: 0, 1 for a failure, 2 for a wrong command line. */
export async function main(args: readonly string[]): Promise<number> {
  return await runProgram(CNI, args.length > 0 ? args : ["--help"]);
}

if (import.meta.main) runtime.exit(await main(runtime.args));
