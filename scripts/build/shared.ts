/**
 * Puts what several commands load into few files. The bundler by itself makes a file of every set
 * of modules that the same commands need, fifty of them for bridge, and each takes Deno a fifth of
 * a millisecond.
 *
 * @module
 */
import type { Metafile } from "esbuild";

/**
 * Parts: modules that are loaded together, as files and folders, by the commands that need them. A
 * module is of the part whose entry matches it most closely.
 */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  /** Every call: the process, the request, the result. */
  call: [
    "lib/runtime/",
    "lib/types/",
    "lib/ip/",
    "lib/libc/",
    "lib/ns/netns.ts",
    "lib/ns/sysctl.ts",
    "lib/skel/",
    "lib/server/",
    "lib/invoke/in_process.ts",
    "lib/observe/observed.ts",
    // Options and rules name them, and options are not loaded where rules are removed.
    "lib/firewall/backend_names.ts",
    "lib/firewall/masquerade/types.ts",
  ],
  /** Options: all plugins but loopback and dummy. */
  options: [
    "lib/types/plan.ts",
    "lib/types/schema.ts",
    "lib/types/args.ts",
    "lib/ip/schema.ts",
    "lib/deps/zod.ts",
  ],
  /** Netlink of any family: all plugins but those of IPAM. */
  netlink: [
    "lib/netlink/attributes.ts",
    "lib/netlink/codec.ts",
    "lib/netlink/message.ts",
    "lib/nl/",
    "lib/rtnl/family.ts",
  ],
  /** Links, addresses and routes: most of those. */
  link: ["lib/netlink/", "lib/rtnl/", "lib/attach/owner.ts"],
  /** What writes lines to a file, for a trace and a log. */
  lines: ["lib/libc/line_file.ts"],
  /** Commands that keep state on the host: records, locks. */
  state: ["lib/state/", "lib/host/", "lib/ns/recorded.ts"],
  /** Plugins that make an interface and give it addresses. */
  attach: ["lib/attach/", "lib/invoke/", "lib/ipam/", "lib/ns/"],
  /** IPAM plugins. */
  addresses: ["lib/ipam/range", "lib/ipam/resolv_conf.ts", "lib/ipam/routes.ts"],
  /** Plugins that translate addresses, publish ports or filter: what reads rules and removes them. */
  netfilter: [
    "lib/netlink/netfilter.ts",
    "lib/netlink/nftables",
    "lib/netlink/user_data.ts",
    "lib/nl/netfilter.ts",
    "lib/nl/nftables",
    "lib/nftables/chain.ts",
    "lib/nftables/delete.ts",
    "lib/nftables/lacks_option.ts",
    "lib/nftables/rule.ts",
    "lib/nftables/state.ts",
    "lib/iptables/",
    "lib/host/tool.ts",
    "lib/firewall/backend.ts",
    "lib/firewall/implementations.ts",
    "lib/firewall/masquerade/notes.ts",
    "lib/firewall/nftables_tables.ts",
    "lib/firewall/notes/",
    "lib/firewall/rule_comment.ts",
    "lib/firewall/some_of.ts",
  ],
  /** Those that make rules with nftables. */
  nftables: ["lib/nftables/"],
};

/** Finds the part that a module is of; undefined for a command's own module. */
function partNaming(module: string): string | undefined {
  const named = Object.entries(PARTS).flatMap(([part, names]) =>
    names.filter((name) => module.startsWith(name)).map((name) => ({ part, name }))
  );
  return named.toSorted((a, b) => b.name.length - a.name.length)[0]?.part;
}

/** How a bundle's modules are shared. */
export interface Sharing {
  /** The modules of each part, by path from the project's directory. */
  readonly parts: ReadonlyMap<string, readonly string[]>;
  /**
   * The parts that each entry point loads. Loading all of a part where one module of it is needed is
   * what keeps the bundler from cutting it up.
   */
  readonly loadedBy: ReadonlyMap<string, readonly string[]>;
  /** Whether a module, by path from the project's directory, is of a part. */
  readonly isInPart: (module: string) => boolean;
}

/**
 * Assigns a bundle's modules to parts: those that at least two plugins load, at their start or by
 * `import()`, or every call.
 * @param metafile of the same bundle without parts
 */
export function shareModules({ inputs, outputs }: Metafile): Sharing {
  const entries = Object.values(outputs).flatMap(({ entryPoint }) => entryPoint ?? []);
  const loads = new Map(entries.map((entry) => [entry, withStaticImports(inputs, entry)]));
  const plugins = entries.filter((entry) => /^plugins\/[^/]+\/[^/]+\/main\.ts$/.test(entry));
  const start = entries.find((entry) => entry.startsWith("entry:"));
  const starts = [...withLater(inputs, plugins)].filter((module) => loads.has(module));
  const isShared = (module: string) =>
    starts.filter((each) => loads.get(each)!.has(module)).length > 1 ||
    plugins.length > 1 && start !== undefined && loads.get(start)!.has(module);
  /** The plugin whose only file a module is in, though commands and what is loaded later have it. */
  const ownPart = (module: string) => {
    const [own, other] = plugins.filter((plugin) => loads.get(plugin)!.has(module));
    const isAlone = own === undefined || other !== undefined || module === own ||
      entries.filter((entry) => loads.get(entry)!.has(module)).length === 1;
    return isAlone ? undefined : own;
  };
  const partOf = new Map<string, string>();
  for (const module of Object.keys(inputs)) {
    const part = (isShared(module) ? partNaming(module) : undefined) ?? ownPart(module);
    if (part) partOf.set(module, part);
  }
  const parts = Map.groupBy(partOf.keys(), (module) => partOf.get(module)!);
  /** The parts of modules, and those that these load in turn. */
  const partsOf = (modules: Iterable<string>) => {
    const found = new Set([...modules].flatMap((module) => partOf.get(module) ?? []));
    for (const part of found) {
      for (const module of parts.get(part)!) {
        for (const loaded of withStaticImports(inputs, module)) {
          const other = partOf.get(loaded);
          if (other) found.add(other);
        }
      }
    }
    return [...found];
  };
  const loadedBy = new Map(entries.map((entry) => [entry, partsOf(loads.get(entry)!)]));
  return { parts, loadedBy, isInPart: (module) => partOf.has(module) };
}

/** Lists plugins and what they load later, other plugins excepted. */
function withLater(inputs: Metafile["inputs"], plugins: readonly string[]): Set<string> {
  const found = new Set(plugins);
  for (const module of found) {
    for (const { path, kind } of inputs[module]!.imports) {
      const isOther = kind === "dynamic-import" && plugins.includes(path);
      if (path in inputs && !isOther) found.add(path);
    }
  }
  return found;
}

/** Lists a module and all that is loaded with it, without what `import()` loads later. */
function withStaticImports(inputs: Metafile["inputs"], first: string): Set<string> {
  const found = new Set([first]);
  for (const module of found) {
    for (const { path, kind } of inputs[module]!.imports) {
      if (kind === "import-statement" && path in inputs) found.add(path);
    }
  }
  return found;
}
