import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/**
 * Files that belong to a process, not to a call, and why. What only they import is not checked
 * either, nor is `lib/runtime`, which wraps the process.
 */
const PROCESSES: Readonly<Record<string, string>> = {
  "lib/skel/run_plugin.ts": "the process around a plugin that was executed",
  "plugins/ipam/dhcp/commands.ts": "the DHCP daemon, a process of its own",
};

/** What a file may take from the process, or keep for all calls, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  "lib/ns/netns.ts: runtime.write": "a thread that cannot leave a namespace ends the process",
  "lib/ns/netns.ts: runtime.exit": "a thread that cannot leave a namespace ends the process",
  "lib/ns/netns.ts: first": "compared with where the thread is, whoever's call it does",
  "lib/ns/netns.ts: isKept": "a fact about the thread",
  "lib/ns/netns.ts: entered": "where the thread is, in what does not wait",
  "lib/ns/netns.ts: isFirst": "a fact about the thread",
  "lib/ns/sysctl.ts: kept": "directories of the namespace that the thread stays in",
  "lib/firewall/filter/filters.ts: FILTERS": "loads code, and keeps nothing",
  "lib/firewall/masquerade/masqueraders.ts: MASQUERADERS": "loads code, and keeps nothing",
  "lib/firewall/ports/mappers.ts: PORT_MAPPERS": "loads code, and keeps nothing",
  "lib/host/lock.ts: deadlines": "the timer of those who wait in the queues",
  "lib/host/lock.ts: queues": "says in which order calls get a lock",
  "lib/invoke/in_process.ts: given": "holds a value for each call",
  "lib/invoke/in_process.ts: registered": "written once, before any call: what this executable is",
  "lib/invoke/in_process.ts: own": "what this executable is",
  "lib/invoke/in_process.ts: lastRead": "a file's content, used for the same file only",
  "lib/libc/async_write.ts: #underWay":
    "keeps the memory of what the kernel reads, whoever sent it",
  "lib/libc/names.ts: target": "what is in it is decoded before anybody else's turn",
  "lib/netlink/codec.ts: LITTLE": "a constant",
  "lib/nl/transport.ts: buffer": "what is in it is taken out before anybody else's turn",
  "lib/nftables/set.ts: nextId": "numbers that differ within a batch; any will do",
  "lib/nl/netfilter.ts: kept": "a socket whose requests are answered before anybody else's turn",
};

/** What a process, or the server, does a call with. */
const CALLED = /^(?:plugins\/[^/]+\/[^/]+\/main|lib\/skel\/dispatch)\.ts$/;

/** The process's own: a call's come from `lib/runtime/caller.ts`, its arguments or its request. */
const PROCESS_VALUES = new Set(
  "env environment write readStdin isTerminal args argv0 onSignal onCrash exit".split(" "),
);

/** `runtime.env`, `runtime["env"]`, and `const { env } = runtime`. */
const USE = /\bruntime(?:\.|\[")(\w+)|\{([^{}]*)\} = runtime\b/g;

/** The whole runtime by another name, whose uses are not found. */
const OTHER_NAME = /\b(\w+)(?:: \w+)? = runtime;/g;

/** What can be changed, where it is written as the value of a constant. */
const CHANGEABLE =
  /\[\](?: as [^;\n]*)?;|\{\};|Object\.create\(null\)|new (?!(?:TextEncoder|RegExp|Error)\b)\w+/
    .source;

/** Variables of a module and of a class, and constants that hold what can be changed. */
const STATES = [
  /^(?:export )?let [[{ ]*(\w+)/gm,
  new RegExp(`^(?:export )?const (\\w+)\\b(?!: Readonly)[^=\\n]*= (?:${CHANGEABLE})`, "gm"),
  /^ +(?:private |protected |public )?static (?!readonly)(#?\w+)(?:: [^=\n;]*)?(?: = |;$)/gm,
  new RegExp(
    `^ +(?:private |protected |public )?static readonly (#?\\w+)\\b(?!: Readonly)[^=\\n]*= (?:${CHANGEABLE})`,
    "gm",
  ),
];

/** A module's constant that is an object or a list, and a change of what is in it. */
const OBJECT = /^(?:export )?const (\w+)\b[^=\n]*= [{[]/gm;
const changes = (name: string) =>
  new RegExp(
    `(?<![\\w.#])${name}(?:(?:\\.#?\\w+|\\[[^\\]\\n]+\\])+ ?(?:=(?!=)|[-+*|&?]+=|\\+\\+|--)|` +
      "\\.(?:push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin)\\()",
  );

/**
 * Finds where code of a call uses what belongs to the process, which may serve other calls at the
 * same time: its environment, its standard streams, state in a module.
 */
export function findings(files: readonly Source[]): string[] {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const used = new Set<string>();
  const found = reachable(texts).flatMap((path) => {
    const code = texts.get(path)!.replace(
      /\/\*[^]*?\*\/|\/\/.*|^if \(import\.meta\.main[^]*/gm,
      "",
    );
    return [
      ...valuesOfProcess(code).map((name) => [
        `runtime.${name}`,
        "the process's own; use lib/runtime/caller.ts",
      ]),
      ...statesOf(code).map((
        name,
      ) => [name, "a state that all calls share; let the call carry it"]),
    ].flatMap(([name, why]) => {
      const entry = `${path}: ${name}`;
      used.add(entry);
      return Object.hasOwn(ALLOWED, entry) ? [] : [`${entry} is ${why}`];
    });
  });
  const stale = Object.keys(ALLOWED).filter((entry) => !used.has(entry));
  return [
    ...found,
    ...stale.map((entry) => `scripts/check/calls.ts allows ${entry}, which is not`),
  ];
}

/** Lists what code takes from its process, such as `env`. */
function valuesOfProcess(code: string): string[] {
  const names = Array.from(
    code.matchAll(USE),
    ([, name, several = ""]) =>
      name ? [name] : several.split(",").map((part) => part.split(":")[0]!.trim()),
  );
  const values = [...new Set(names.flat())].filter((name) => PROCESS_VALUES.has(name));
  const renamed = Array.from(code.matchAll(OTHER_NAME), ([, name]) => `${name}`);
  return [...values, ...renamed];
}

/** Lists the variables and constants by which code keeps something for the calls that follow. */
function statesOf(code: string): string[] {
  const declared = STATES.flatMap((pattern) =>
    Array.from(code.matchAll(pattern), ([, name]) => name!)
  );
  const changed = Array.from(code.matchAll(OBJECT), ([, name]) => name!)
    .filter((name) => changes(name).test(code));
  return [...new Set([...declared, ...changed])];
}

/** Lists what does a call: plugins, what calls them, and what these import, directly or not. */
function reachable(texts: ReadonlyMap<string, string>): string[] {
  const seen = new Set([...texts.keys()].filter((path) => CALLED.test(path)));
  for (const path of seen) {
    for (const target of importsOf({ path, text: texts.get(path)! })) {
      if (texts.has(target) && !Object.hasOwn(PROCESSES, target)) seen.add(target);
    }
  }
  return [...seen].filter((path) => !path.startsWith("lib/runtime/"));
}
