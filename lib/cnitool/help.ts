import { COMMANDS } from "./commands.ts";

/** What `--help` prints: of one command, or of all. */
export function help(name?: string): string {
  return name === undefined ? helpOfAll() : helpOf(name);
}

function helpOfAll(): string {
  return `Attaches network namespaces to CNI networks, as a container runtime does.

usage: cnitool COMMAND ARGUMENT… [OPTION…]

commands:
${table(Object.fromEntries(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary])))}
  help     print this, or the help of one command

NETWORK is the name of a network in NETCONFPATH, or a configuration file: a name with a slash in it,
or one that ends in .conflist, .conf or .json. NETNS is the path of a network namespace.

environment:
${
    table({
      CNI_PATH: "directories with plugins, separated by colons; else /opt/cni/bin",
      NETCONFPATH: "directory with network configurations; else /etc/cni/net.d",
      CNI_ARGS: "arguments for the plugins: KEY=VALUE;KEY=VALUE",
      CAP_ARGS: 'values for capabilities, a JSON object: {"portMappings": […]}',
      CNI_IFNAME: "the interface's name in the container; else eth0",
    })
  }

Exit status: 0 done, 1 failed, 2 the command line was wrong.
`;
}

function helpOf(name: string): string {
  const { operands, summary, options } = COMMANDS[name]!;
  return `usage: cnitool ${name} ${operands} [OPTION…]

${summary[0]!.toUpperCase()}${summary.slice(1)}.

options:
${table({ ...options, "-h, --help": "print this" })}
`;
}

function table(rows: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(rows).map((left) => left.length));
  return Object.entries(rows).map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join(
    "\n",
  );
}
