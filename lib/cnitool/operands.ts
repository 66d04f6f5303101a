/** Operands and options that several commands have. */
import type { Operand, Option } from "../cli/command.ts";
import { loadNetworks } from "../libcni/load.ts";
import { NETNS_DIRECTORY } from "../ns/named.ts";
import { runtime } from "../runtime/mod.ts";
import { networkDirectory } from "./settings.ts";

/** A network of NETCONFPATH, or a configuration file. */
export const NETWORK: Operand = { name: "NETWORK", completes: networkNames };

/** A network namespace: a path, or a name in /run/netns. */
export const NETNS: Operand = { name: "NETNS", completes: namespaceNames };

/** A namespace that is accepted and not used: the Go cnitool requires one. */
export const UNUSED_NETNS: Operand = { ...NETNS, optional: true };

/** `--ifname`. */
export const IFNAME: Option = {
  name: "ifname",
  short: "i",
  value: "NAME",
  help: "the interface's name in the container; else CNI_IFNAME, else eth0",
};

/** `--strict` */
export const STRICT: Option = {
  name: "strict",
  help: "do nothing where cnitool validate finds anything",
};

/** The keys that identify an attachment in `--json`, as a TypeScript type. */
export const ATTACHMENT_JSON =
  "network: string; containerID: string; ifname: string; netns: string";

function networkNames(): string[] {
  const names = loadNetworks(networkDirectory()).flatMap(({ network }) => network?.name ?? []);
  return [...new Set(names)];
}

function namespaceNames(): string[] {
  return runtime.files.list(NETNS_DIRECTORY).sort();
}
