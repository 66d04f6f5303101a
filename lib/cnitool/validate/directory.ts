/** Compares the files of a directory, and finds those that no runtime reads. */
import { loadNetworks } from "../../libcni/load.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import type { Finding } from "./finding.ts";
import type { CheckedNetwork } from "./list.ts";
import { overlap } from "./subnets.ts";

const EXTENSIONS = [".conflist", ".conf", ".json"];

/** Lists the configuration files of a directory, in the order in which they are read. */
export function configurationFiles(directory: string): string[] {
  return loadNetworks(directory).map(({ file }) => file);
}

/** Finds files that look like configurations, and that no runtime reads. */
export function ignoredFiles(directory: string): Finding[] {
  const names = ifPresent(() => runtime.files.list(directory)) ?? [];
  return names.filter((name) => !EXTENSIONS.some((extension) => name.endsWith(extension)))
    .filter((name) => !name.startsWith("."))
    .map((name) => `${directory}/${name}`).sort()
    .filter((file) => ifPresent(() => runtime.files.stat(file))?.isFile)
    .map((file) => ({
      severity: "warning",
      file,
      message: `nobody reads it: a configuration's name ends in ${EXTENSIONS.join(", ")}`,
    }));
}

/** Notes names and subnets that networks have in common. */
export function compareNetworks(networks: readonly CheckedNetwork[]): void {
  networks.forEach((network, index) => {
    for (const other of networks.slice(0, index)) {
      if (network.name !== "" && network.name === other.name) {
        const message =
          `${other.document.file} before it has a network "${network.name}": this one is never used`;
        network.document.note("error", ["name"], message);
      } else comparePools(network, other);
    }
  });
}

function comparePools(network: CheckedNetwork, other: CheckedNetwork): void {
  for (const pool of network.pools) {
    const taken = other.pools.find(({ range }) => overlap(range, pool.range));
    if (!taken) continue;
    const what = `${pool.subnet} overlaps ${taken.subnet} of network ${other.name}`;
    if (pool.bridge !== "" && pool.bridge === taken.bridge) {
      const message = `${what} on the same bridge: two containers may get one address`;
      network.document.note("error", pool.path, message);
    } else if (pool.bridge !== "" && taken.bridge !== "") {
      const message =
        `${what}: the bridges ${pool.bridge} and ${taken.bridge} would have one subnet, ` +
        "and the host reaches only one of them";
      network.document.note("error", pool.path, message);
    } else network.document.note("warning", pool.path, what);
  }
}
