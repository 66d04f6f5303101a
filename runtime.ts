/**
 * Being a container runtime, as libcni is for Go: finding networks, attaching containers to them,
 * and the cache of what was attached.
 *
 * @module
 */
export { Cache, type CachedAttachment, DEFAULT_CACHE_DIR } from "./lib/libcni/cache.ts";
export type { CallerOptions } from "./lib/libcni/caller.ts";
export { cachedNetwork, Cni, type CniOptions } from "./lib/libcni/cni.ts";
export {
  type NetworkList,
  parseNetworkList,
  type PluginConfig,
  readPluginConfig,
} from "./lib/libcni/conf.ts";
export {
  loadNetwork,
  loadNetworkFile,
  loadNetworks,
  type LoadOptions,
  type NetworkFile,
} from "./lib/libcni/load.ts";
export { printNetworkResult } from "./lib/libcni/network_result.ts";
export type { RuntimeConf } from "./lib/libcni/runtime_conf.ts";
