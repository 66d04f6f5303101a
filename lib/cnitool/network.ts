import { cachedNetwork, type Cni } from "../libcni/cni.ts";
import type { NetworkList } from "../libcni/conf.ts";
import { loadNetwork, loadNetworkFile } from "../libcni/load.ts";
import { messageOf } from "../runtime/errors.ts";
import { warn } from "./open_cni.ts";
import { networkDirectory } from "./settings.ts";

/**
 * Finds the network called `name` in NETCONFPATH; or, where `name` is a path or the name of a
 * configuration file, the one in that file.
 *
 * @throws {CniError} as the library's loadNetwork and loadNetworkFile
 */
export function findNetwork(name: string): NetworkList {
  if (isFileName(name)) return loadNetworkFile(name);
  return loadNetwork(networkDirectory(), name, { warn });
}

/**
 * Finds a network as {@linkcode findNetwork} does, for commands that detach: where its
 * configuration is gone, or cannot be read, with the configuration that its last attachment was
 * made with.
 */
export function findNetworkOrCached(name: string, cni: Cni): NetworkList {
  try {
    return findNetwork(name);
  } catch (error) {
    for (const attachment of isFileName(name) ? [] : cni.getCachedAttachments().toReversed()) {
      if (attachment.network !== name) continue;
      const network = cachedNetwork(attachment);
      if (!network) continue;
      warn(`${messageOf(error)}; ${name} is taken as it was when something was attached to it`);
      return network;
    }
    throw error;
  }
}

/** Whether a word names a file, not a network. */
export function isFileName(name: string): boolean {
  return /\/|\.(conflist|conf|json)$/.test(name);
}
