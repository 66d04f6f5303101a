/**
 * Everything that a plugin could have changed, read by iproute2, nft, tc, conntrack and find: an
 * entry a thing, such as `host route …`.
 *
 * @module
 */
import type { NetNs } from "../../../lib/ns/netns.ts";
import type { Sandbox } from "../sandbox.ts";

/** What there is, and how: values by the names of things. */
export type Snapshot = Map<string, string>;

/** A batch of ip(8): commands by the kind of what they print. */
interface Batch {
  family: string;
  commands: Readonly<Record<string, string>>;
}

/** iproute2's programs take as long to start as to answer. */
const BATCHES: readonly Batch[] = [
  {
    family: "",
    commands: {
      link: "link show",
      address: "address show",
      neighbour: "neigh show nud permanent",
    },
  },
  { family: "-4", commands: { route4: "route show table all", rule4: "rule show" } },
  { family: "-6", commands: { route6: "route show table all", rule6: "rule show" } },
];

/** Programs by the kind of what they print, in every namespace. */
const EVERYWHERE: Readonly<Record<string, string>> = {
  qdisc: "tc -j qdisc show",
  sysctl: "grep -rs . /proc/sys/net || true",
};

/** Programs by the kind of what they print, on the host. */
const ON_HOST: Readonly<Record<string, string>> = {
  vlan: "bridge -j vlan show",
  nftables: "nft -j list ruleset",
  // conntrack(8) takes longer: it waits as its socket is closed.
  conntrack:
    "cat /proc/net/nf_conntrack 2>/dev/null || conntrack -L -o extended 2>/dev/null || true",
  legacy: "if [ -s /proc/net/ip_tables_names ]; then iptables-legacy-save; fi",
};

/** The same, where everything counts: nft shows nothing of what is an extension of iptables'. */
const ON_HOST_EXACT: Readonly<Record<string, string>> = {
  iptables4: "iptables-nft-save 2>/dev/null || true",
  iptables6: "ip6tables-nft-save 2>/dev/null || true",
};

/** What changes by itself, and what tells one making of the same thing from another. */
const VOLATILE =
  /^(ifindex|link_index|link_netnsid|handle|operstate|flags|.*_timer|.*life_time|tentative|dynamic|index|refcnt|promiscuity|allmulti|topology_change\w*|state|config_pending|id|no|designated_port|root_port|root_path_cost|designated_cost|mcast_router|metainfo|packets|bytes|.*_max_s\w+|protocol|qdisc|bridge_id|root_id|designated_bridge)$/;

/** Of what is {@link VOLATILE} what one implementation may do otherwise than another. */
const EXACT = /^(flags|protocol|id)$/;

/** Flags that the kernel sets in its own time. */
const VOLATILE_FLAGS = ["LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown", "dead"];

/** Sysctls that count, that time, or that the kernel sets by itself. */
const VOLATILE_SYSCTL =
  /nf_conntrack_(count|max)|\/(route|fib_multipath|stable_secret|nf_log|ip_local_port|tcp_.*mem)|random|conntrack_buckets|nexthop_compat/;

/** Directories whose files are looked at; what the test itself needs is in /run/test. */
const DIRECTORIES = ["/run", "/var/lib/cni", "/etc/cni"];

/** Files whose content and mode are nobody's: locks, where a search goes on, and namespaces. */
const CONTENT_FREE = /\/(lock|last_reserved_ip\.\d+|xtables\.lock)$|^\/run\/netns\//;

/** How a snapshot is taken. */
export interface SnapshotOptions {
  /** Whether flags, whom the kernel has routes of, and iptables' rules word by word are in it, too. */
  isExact?: boolean;
}

/** Reads what the sandbox's host, and the containers of these names, have. */
export function snapshot(
  sandbox: Sandbox,
  containers: Readonly<Record<string, NetNs>> = {},
  { isExact = false }: SnapshotOptions = {},
): Snapshot {
  const found: Snapshot = new Map();
  for (const [name, netns] of [["host"] as const, ...Object.entries(containers)]) {
    readNetwork(found, name, sandbox, netns, isExact);
  }
  for (const directory of DIRECTORIES) readFiles(found, directory);
  readProcesses(found);
  return found;
}

/**
 * What the snapshots `before` and `after` differ by, a line each.
 * @param also a snapshot of another run, whose things may be there as well, as they are in it
 */
export function differences(before: Snapshot, after: Snapshot, also?: Snapshot): string[] {
  const lines: string[] = [];
  const isAlso = (name: string, value: string | undefined) =>
    withoutGenerated(value) === withoutGenerated(also?.get(name));
  for (const [name, value] of after) {
    if (value === before.get(name) || isAlso(name, value)) continue;
    lines.push(before.has(name) ? `now ${name}: ${value}` : `left ${name}: ${value}`);
  }
  for (const [name, value] of before) {
    if (after.get(name) === value) continue;
    if (!after.has(name)) lines.push(`gone ${name}: ${value}`);
    else if (!isAlso(name, after.get(name))) lines.push(`was ${name}: ${value}`);
  }
  return lines;
}

/** A bridge without the MAC address that it has from the plugin, which is random where it has no IP. */
function withoutGenerated(value: string | undefined): string | undefined {
  if (!value?.includes('"info_kind":"bridge"')) return value;
  return value.replace(/"address":"0a:58:[^"]*"/, '"address":""');
}

const SEPARATOR = "\x1e";

/** A shell script that prints what programs do, with a separator behind each. */
function scriptOf(programs: Readonly<Record<string, string>>): string {
  const batches = BATCHES.map(({ family, commands }) =>
    `ip -j -d ${family} -batch - <<'END'\n${Object.values(commands).join("\n")}\nEND`
  );
  return [...batches, ...Object.values(programs)].map((line) => `${line}\nprintf '\\036'\n`).join(
    "",
  );
}

function readNetwork(
  found: Snapshot,
  where: string,
  sandbox: Sandbox,
  netns: NetNs | undefined,
  isExact: boolean,
): void {
  const write = isExact ? exact : stable;
  const programs = netns
    ? EVERYWHERE
    : { ...EVERYWHERE, ...ON_HOST, ...isExact ? ON_HOST_EXACT : {} };
  const texts = sandbox.run("/bin/sh", ["-c", scriptOf(programs)], { netns }).split(SEPARATOR);
  const many = new Map<string, number>();
  const put: Put = (kind, name, value) => {
    // Two alike are two.
    const key = `${where} ${kind} ${name}`;
    const number = (many.get(key) ?? 0) + 1;
    many.set(key, number);
    found.set(number > 1 ? `${key} #${number}` : key, value);
  };
  BATCHES.forEach(({ commands }, i) => {
    // A line a command; one that finds nothing may print nothing.
    const lists = texts[i]!.split("\n").filter((line) => line.startsWith("["));
    const kinds = Object.keys(commands);
    if (lists.length !== kinds.length) throw new Error(`ip -batch printed ${texts[i]}`);
    lists.forEach((list, n) => {
      for (const entry of JSON.parse(list)) readEntry(kinds[n]!, entry, put, write);
    });
  });
  Object.keys(programs).forEach((kind, i) =>
    READERS[kind]!(texts[BATCHES.length + i]!.trim(), put, write)
  );
}

/** What reads the output of each program. */
const READERS: Readonly<Record<string, (text: string, put: Put, write: Write) => void>> = {
  sysctl(text, put) {
    for (const line of text.split("\n")) {
      const colon = line.indexOf(":");
      const path = line.slice("/proc/sys/net/".length, colon);
      if (!VOLATILE_SYSCTL.test(path)) put("sysctl", path, line.slice(colon + 1));
    }
  },
  conntrack(text, put) {
    // What the kernel sends by itself, such as IGMP, is nobody's.
    for (const line of text.split("\n").filter((line) => /\b(tcp|udp|sctp) /.test(line))) {
      put("conntrack", line.replace(/(tcp|udp|sctp)( +\d+) \d+|use=\d+/, "$1$2"), "");
    }
  },
  legacy: (text, put) => readSaved("legacy", text, put),
  iptables4: (text, put) => readSaved("iptables4", text, put),
  iptables6: (text, put) => readSaved("iptables6", text, put),
  nftables: (text, put, write) =>
    JSON.parse(text).nftables.forEach((entry: unknown) => readNft(entry, put, write)),
  qdisc: (text, put, write) =>
    JSON.parse(text || "[]").forEach((it: unknown) => put("qdisc", write(it), "")),
  vlan: (text, put, write) =>
    JSON.parse(text || "[]").forEach((it: unknown) => put("vlan", write(it), "")),
};

/** Reads what iptables-save prints: `TABLE RULE`. */
function readSaved(kind: string, text: string, put: Put): void {
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    else if (/^[:-]/.test(line)) put(kind, `${table} ${line.replace(/ \[\d+:\d+\]/, "")}`, "");
  }
}

type Put = (kind: string, name: string, value: string) => void;

/** Makes a text of what a program printed as JSON. */
type Write = (value: unknown) => string;

// deno-lint-ignore no-explicit-any -- iproute2's JSON has no types
function readEntry(kind: string, entry: any, put: Put, write: Write): void {
  // The kernel gives link-local addresses, and the routes to what is an IPv6 address of the host's, in
  // its own time.
  if (/^route/.test(kind) && /^(fe80|ff00|multicast)/.test(entry.dst)) return;
  if (kind === "route6" && entry.table === "local") return;
  if (kind === "link") put(kind, entry.ifname, write({ ...entry, up: isUp(entry.flags) }));
  else if (kind === "address") {
    for (const address of entry.addr_info ?? []) {
      if (address.scope !== "link") put(kind, `${entry.ifname} ${address.local}`, write(address));
    }
  } else if (Object.keys(entry).length > 0) put(kind, write(entry), "");
}

function isUp(flags: readonly string[]): boolean {
  return flags.includes("UP");
}

// deno-lint-ignore no-explicit-any -- nft's JSON has no types
function readNft(entry: any, put: Put, write: Write): void {
  const [[type, thing]] = Object.entries(entry) as [[string, Record<string, unknown>]];
  if (type === "metainfo") return;
  const { elem, ...rest } = thing;
  put("nftables", `${type} ${write(rest)}`, "");
  for (const element of (elem ?? []) as unknown[]) {
    put("nftables", `element ${thing.table} ${thing.name} ${write(element)}`, "");
  }
}

/** JSON without what is {@link VOLATILE}. */
function stable(value: unknown): string {
  return JSON.stringify(value, (key, inner) => VOLATILE.test(key) ? undefined : inner);
}

/** The same, but for what is {@link EXACT}. */
function exact(value: unknown): string {
  return JSON.stringify(value, (key, inner) => {
    if (key === "flags") {
      return (inner as string[]).filter((flag) => !VOLATILE_FLAGS.includes(flag));
    }
    return VOLATILE.test(key) && !EXACT.test(key) ? undefined : inner;
  });
}

function readFiles(found: Snapshot, directory: string): void {
  for (const { name, isDirectory, isSymlink, isFile } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (path === "/run/test") continue;
    if (isSymlink) found.set(`symlink ${path}`, targetOf(path));
    else if (isDirectory) {
      found.set(`directory ${path}`, modeOf(path));
      readFiles(found, path);
    } else if (CONTENT_FREE.test(path)) found.set(`file ${path}`, "");
    else {found.set(
        `file ${path}`,
        modeOf(path) + (isFile ? ` ${Deno.readTextFileSync(path)}` : ""),
      );}
  }
}

/**
 * A symbolic link's target: of host-local's index the addresses, in their order. Of a namespace it
 * only has a note until somebody else has written.
 */
function targetOf(path: string): string {
  const target = Deno.readLinkSync(path);
  return path.includes("/.owners/") ? target.split(" ")[0]!.split(",").sort().join() : target;
}

function modeOf(path: string): string {
  return (Deno.lstatSync(path).mode! & 0o7777).toString(8);
}

/** Programs that run, without the test's own: a job has a PID namespace, and is its process 1. */
function readProcesses(found: Snapshot): void {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || name === "1") continue;
    try {
      const [, comm, state] = /\((.*)\) (\w)/.exec(Deno.readTextFileSync(`/proc/${name}/stat`))!;
      // Nobody waits for those whose parent was killed.
      if (state !== "Z") found.set(`process ${name} ${comm}`, "");
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
