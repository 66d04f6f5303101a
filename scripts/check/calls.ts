import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/**
 * Files that belong to a process, not to a call, and why. What only they import is not checked
 * either, nor is `lib/runtime`, which wraps the process.
 */
const PROCESSES: Readonly<Record<string, string>> = {
  "lib/skel/dispatch.ts": "what a process, or the server, calls a plugin with",
  "lib/skel/run_plugin.ts": "the process around a plugin that was executed",
  "plugins/ipam/dhcp/commands.ts": "the DHCP daemon, a process of its own",
};

/** What a file may take from the process, or keep for all calls, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  "lib/ns/netns.ts: runtime.write": "a thread that cannot leave a namespace ends the process",
  "lib/ns/netns.ts: runtime.exit": "a thread that cannot leave a namespace ends the process",
  "lib/host/lock.ts: queues": "says in which order calls get a lock",
  "lib/invoke/in_process.ts: given": "holds a value for each call",
  "lib/invoke/in_process.ts: registered": "written once, before any call: what this executable is",
  "lib/netlink/codec.ts: LITTLE": "a constant",
  "lib/netlink/codec.ts: DECODER": "decodes whole texts, and keeps nothing between them",
  "lib/nl/transport.ts: buffer": "what is in it is taken out before anybody else's turn",
  "lib/nftables/set.ts: nextId": "numbers that differ within a batch; any will do",
  "lib/nl/netfilter.ts: kept": "a socket whose requests are answered before anybody else's turn",
};

/** The process's own: a call's come from `lib/runtime/caller.ts`, its arguments or its request. */
const PROCESS_VALUES =
  /\bruntime\.(?:env|environment|write|readStdin|isTerminal|args|argv0|onSignal|onCrash|exit)\b/g;

/** A variable of a module, or a constant that holds what changes: state that all calls share. */
const STATE =
  /^(?:export )?(?:let (\w+)|const (\w+)\b(?!: Readonly)[^=\n]*= (?:\[\];|\{\};|new (?:Map|Set|WeakMap|WeakSet|AbortController|Int32Array|Uint8Array|BigInt64Array|TextDecoder|Worker)\b))/gm;

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
    const taken = new Set(code.match(PROCESS_VALUES) ?? []);
    const kept = Array.from(code.matchAll(STATE), ([, variable, constant]) => variable ?? constant);
    return [
      ...Array.from(taken, (value) => [value, "the process's own; use lib/runtime/caller.ts"]),
      ...kept.map((name) => [name!, "a state that all calls share; let the call carry it"]),
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

/** Lists the files that plugins import, and those that they import in turn. */
function reachable(texts: ReadonlyMap<string, string>): string[] {
  const seen = new Set(
    [...texts.keys()].filter((path) => /^plugins\/[^/]+\/[^/]+\/main\.ts$/.test(path)),
  );
  for (const path of seen) {
    for (const target of importsOf({ path, text: texts.get(path)! })) {
      if (texts.has(target) && !Object.hasOwn(PROCESSES, target)) seen.add(target);
    }
  }
  return [...seen].filter((path) => !path.startsWith("lib/runtime/"));
}
