import { eventually } from "../support/process.ts";
import type { Host } from "./host.ts";

/** Links that belong to a network, or that the kernel makes in every namespace. */
const LASTING_LINKS = /^(bridge|sit|ip6tnl|ipip|gre|gretap|erspan|vti|vti6|ip6gre)$/;

/** The chains of one container: those of portmap and of ipMasq. */
const CHAINS_OF_ONE = /CNI-(DN|SN)-[0-9a-z]{4,}|CNI-[0-9a-f]{24}/;

/**
 * Files that belong to a network or to the host: host-local's last address and lock, the index
 * beside its files, the guard of 127.0.0.0/8, the resident server's socket, the link to leases.
 */
const LASTING_FILES =
  /\/(last_reserved_ip\.\d+|lock|\.owners\/.*|\.[^/]*lock|loopback\.guard\.json|cni\.sock|dhcp\.sock\.leases)$/;

/** What docs/install.md says that the Go plugins leave of ours: notes, and a rule they do not make. */
const OURS_TO_GO = /^file \/run\/cni\/|^rule -A CNI-FORWARD .*--ctstate DNAT -j ACCEPT$/;

/** What the Go bridge leaves of its masquerading where DEL names no namespace. */
export const GO_MASQUERADING = /^rule .*CNI-[0-9a-f]{24}/;

/**
 * Waits until nothing is left of the containers.
 * @param goLeaves what the Go plugins leave, which is no failure of theirs
 * @throws {Error} that lists what is left
 */
export async function assertNothingLeft(host: Host, goLeaves = /(?!)/): Promise<void> {
  const isKnown = (text: string) =>
    host.last === "go" && (OURS_TO_GO.test(text) || goLeaves.test(text));
  let left: string[] = [];
  await eventually(
    async () => {
      left = (await remains(host)).filter((text) => !isKnown(text));
      return left.length === 0;
    },
    () => `nothing to be left, but there are\n  ${left.join("\n  ")}`,
  );
}

/** What is left of containers: links, rules, files, names of namespaces. */
async function remains(host: Host): Promise<string[]> {
  const links = (await host.ip("-d", "link", "show"))
    .filter(({ linkinfo }) => linkinfo && !LASTING_LINKS.test(linkinfo.info_kind))
    .map(({ ifname }) => `link ${ifname}`);
  const lists = [
    await host.run("iptables-save", []),
    await host.run("ip6tables-save", []),
    ...await nftTables(host),
  ];
  const words = [...host.marks].map((mark) => RegExp.escape(mark)).join("|");
  const marked = words === "" ? /(?!)/ : new RegExp(`(?<![\\w.:])(${words})(?![\\w.:])`);
  const rules = lists.join("\n").split("\n")
    .filter((line) => CHAINS_OF_ONE.test(line) || marked.test(line))
    .map((line) => `rule ${line.trim()}`);
  const files = ["/var/lib/cni", "/run/cni", "/run/netns"].flatMap(filesIn)
    .filter((path) => !LASTING_FILES.test(path))
    .map((path) => `file ${path}`);
  return [...links, ...rules, ...files];
}

/** The tables of nftables, as text, without those that are iptables' and were listed. */
async function nftTables(host: Host): Promise<string[]> {
  const names = (await host.run("nft", ["list", "tables"])).split("\n")
    .filter((line) => line !== "" && !/^table ip6? (filter|nat|mangle|raw|security)$/.test(line));
  return await Promise.all(names.map((line) => host.run("nft", ["list", ...line.split(" ")])));
}

/** The files below a directory, by their paths. */
function filesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory)).flatMap(({ name, isDirectory }) =>
      isDirectory ? filesIn(`${directory}/${name}`) : [`${directory}/${name}`]
    );
  } catch {
    return [];
  }
}
