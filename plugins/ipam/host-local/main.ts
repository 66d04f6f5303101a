/**
 * host-local gives each attachment an address of every range set, from files on this host.
 *
 * Made: a file per address, and a note of the one allocated last. Undone: the files.
 * `disk_store.ts` describes the layout, which is the Go plugin's: either plugin can be used on the
 * same files.
 *
 * @module
 */
import { requestedAddresses } from "../../../lib/ipam/range_options.ts";
import { resultRoutes } from "../../../lib/ipam/routes.ts";
import { recordNetNsIfPresent } from "../../../lib/ns/recorded.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import {
  type AddCall,
  type AnyPlugin,
  type Call,
  definePlugin,
  type GcCall,
} from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { allocate, type Allocation, exhausted, isExhausted } from "./allocator.ts";
import { check } from "./check.ts";
import { dataDirectory, type Options, options, rangeSets } from "./config.ts";
import { DiskStore } from "./disk_store.ts";
import { readResolvConf } from "../../../lib/ipam/resolv_conf.ts";
import type { Owner } from "./store.ts";
import { openIfPresent, ownerOf } from "./stores.ts";

const hostLocal: AnyPlugin = definePlugin<Options>({
  name: "host-local",
  options,
  add,

  async del(call) {
    using store = await openIfPresent(call);
    store?.releaseAll(ownerOf(call));
  },

  check,
  status,

  async gc(call) {
    using store = await openIfPresent(call);
    store?.prune((owner) => isValid(owner, call));
  },

  reservations: async () => (await import("./reservations.ts")).reservations,
});

export default hostLocal;

async function add(call: AddCall<Options>): Promise<Result> {
  const { config, options, undo } = call;
  const sets = rangeSets(call);
  const requested = requestedAddresses(options, call.args);
  const { resolvConf, routes } = options.ipam!;
  const dns = resolvConf ? readResolvConf(resolvConf) : undefined;
  const owner = ownerOf(call);

  const allocations: Allocation[] = [];
  using store = await DiskStore.open(dataDirectory(call), config.name);
  // An earlier start of the same container, whose DEL never came.
  if (store.isKnownGone(owner)) store.releaseAll(owner);
  const isNew = store.heldBy(owner).length === 0;
  const release = async ({ address }: Allocation) => {
    using again = await openIfPresent(call);
    again?.release(address, owner);
  };
  for (const [setIndex, set] of sets.entries()) {
    const wanted = requested.find((address) => set.rangeOf(address));
    if (wanted) requested.splice(requested.indexOf(wanted), 1);
    const request = { owner, set, setIndex, requested: wanted };
    try {
      allocations.push(
        undo.step(`the address of set ${setIndex}`, () => allocate(store, request), release),
      );
    } catch (error) {
      throw CniError.from(error).withContext(`failed to allocate for range ${setIndex}`);
    }
  }
  const netns = recordNetNsIfPresent(call.netns);
  if (isNew && netns) store.noteNetNs(owner, netns);
  if (requested.length > 0) {
    throw CniError.invalidConfig(
      `failed to allocate all requested IPs: ${requested.join(" ")}: they are in none of the ` +
        `range sets ${sets.join(" and ")}, or another one was requested of the same set`,
    );
  }
  return {
    ips: allocations.map(({ cidr, gateway }) => ({
      address: cidr.toString(),
      gateway: gateway.toString(),
    })),
    routes: resultRoutes(routes),
    dns,
  };
}

/**
 * STATUS: expects that an ADD would find the directory writable. An exhausted range is only a
 * warning on standard error: the next DEL ends it, and a runtime that considers the node not ready
 * may evict the pods that hold the addresses.
 */
async function status(call: Call<Options>): Promise<void> {
  const sets = rangeSets(call);
  try {
    const { resolvConf } = call.options.ipam!;
    if (resolvConf) readResolvConf(resolvConf);
    using store = await DiskStore.open(dataDirectory(call), call.config.name);
    store.requireWritable();
    const addresses = store.addresses();
    for (const set of sets) {
      if (isExhausted(set, addresses)) warn(`host-local: ${exhausted(set, set.size)}\n`);
    }
  } catch (error) {
    const { message, details } = CniError.from(error);
    throw CniError.notAvailable(message, details);
  }
}

/**
 * Whether an owner is valid; old reservations name a container only: any of its interfaces counts.
 */
function isValid({ containerId, ifName }: Owner, { validAttachments }: GcCall): boolean {
  return validAttachments.some((valid) =>
    valid.containerId === containerId && (ifName === "" || valid.ifName === ifName)
  );
}

if (import.meta.main) await runPlugin(hostLocal);
