/**
 * The state that executables of some version left on a host: recorded once, and put back in a
 * sandbox for those of another version.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import type { Sandbox } from "./sandbox.ts";

/** Everything that a container's attachment has on a host. */
export interface RecordedState {
  /** What the executables say they are. */
  by: string;
  /** The rules' backend: `iptables` or `nftables`. */
  backend: string;
  /** ADD's result. */
  result: Record<string, unknown> & {
    interfaces: { name: string; mac?: string; sandbox?: string }[];
  };
  /** Files and symbolic links (`-> target`) in {@link DIRECTORIES}, by path. */
  files: Record<string, string>;
  /** The tables that are not iptables-nft's, as nft lists them. */
  nftables: string;
  /** What iptables-save and ip6tables-save print. */
  iptables: Record<"iptables" | "ip6tables", string>;
  /** The host's interfaces beside the bridge. */
  links: { name: string; kind: "veth" | "ifb"; alias?: string; group?: string }[];
}

const DIRECTORIES = ["/run/cni", "/var/lib/cni"];
const BRIDGE = "br0";
/** The tables of iptables-nft. */
const IPTABLES = /^ip6? (filter|nat|mangle|raw|security)$/;

/** Records what a sandbox has. */
export function recordState(
  sandbox: Sandbox,
  { by, backend, result }: Pick<RecordedState, "by" | "backend" | "result">,
): RecordedState {
  const tables = sandbox.run("nft", ["list", "tables"]).split("\n").filter(Boolean)
    .map((line) => line.replace(/^table /, "")).filter((table) => !IPTABLES.test(table));
  const links = sandbox.ip("-d link show").filter(({ ifname, linkinfo }) =>
    ifname !== BRIDGE && ["veth", "ifb"].includes(linkinfo?.info_kind) && !/^ifb\d$/.test(ifname)
  );
  return {
    by,
    backend,
    result,
    files: Object.fromEntries(DIRECTORIES.flatMap((directory) => [...filesBelow(directory)])),
    nftables: tables.map((table) => sandbox.run("nft", ["list", "table", ...table.split(" ")]))
      .join(""),
    iptables: {
      iptables: sandbox.run("iptables-save", []),
      ip6tables: sandbox.run("ip6tables-save", []),
    },
    links: links.map(({ ifname, linkinfo, ifalias, group }) => ({
      name: ifname,
      kind: linkinfo.info_kind,
      ...ifalias ? { alias: ifalias } : {},
      ...group && group !== "default" ? { group } : {},
    })),
  };
}

/** Puts a recorded state into a sandbox, with the container's interface in a namespace. */
export function restoreState(sandbox: Sandbox, state: RecordedState, netns: NetNs): void {
  sandbox.run("ip", ["link", "add", BRIDGE, "type", "bridge"]);
  sandbox.run("ip", ["link", "set", BRIDGE, "up"]);
  for (const { name, kind, alias, group } of state.links) {
    const inside = ["peer", "name", "eth0", "netns", netns.path.split("/").at(-1)!];
    sandbox.run("ip", ["link", "add", name, "type", kind, ...kind === "veth" ? inside : []]);
    if (kind === "veth") sandbox.run("ip", ["link", "set", name, "master", BRIDGE]);
    if (alias !== undefined) sandbox.run("ip", ["link", "set", name, "alias", alias]);
    if (group !== undefined) sandbox.run("ip", ["link", "set", name, "group", group]);
    sandbox.run("ip", ["link", "set", name, "up"]);
  }
  // By its hardware address an interface without an alias is known to be the result's.
  for (const { name, mac, sandbox: inside } of state.result.interfaces) {
    const isIfb = state.links.some((link) => link.name === name && link.kind === "ifb");
    if (name === BRIDGE || isIfb || !mac) continue;
    sandbox.run("ip", ["link", "set", name, "address", mac], inside ? { netns } : {});
  }
  for (const [path, text] of Object.entries(state.files)) {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (text.startsWith("-> ")) Deno.symlinkSync(text.slice(3), path);
    else Deno.writeTextFileSync(path, text);
  }
  for (const [program, text] of Object.entries(state.iptables)) {
    const file = `${sandbox.directory}/${program}`;
    Deno.writeTextFileSync(file, text);
    sandbox.run(`${program}-restore`, [file]);
  }
  Deno.writeTextFileSync(`${sandbox.directory}/nft`, state.nftables);
  sandbox.run("nft", ["--file", `${sandbox.directory}/nft`]);
}

/** The files below a directory, with what they hold. */
export function* filesBelow(directory: string): Generator<[path: string, text: string]> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const { name, isDirectory, isSymlink, isFile } of entries) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    else if (isSymlink) yield [path, `-> ${Deno.readLinkSync(path)}`];
    else if (isFile) yield [path, Deno.readTextFileSync(path)];
  }
}
