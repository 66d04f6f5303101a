/**
 * The dhcp daemon: it holds the leases of this host's containers, and answers the plugin.
 *
 * All leases share one thread. What belongs to a container's namespace are the sockets that were
 * opened inside, and those work from any thread; so nothing has to stay in there, and the number
 * of threads does not grow with the number of containers. A socket is open for as long as a
 * conversation with a server lasts: between two of them a lease is a timer and a file on disk.
 *
 * @module
 */
import type { Poller } from "../../../lib/libc/poller.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { BUILD_VERSION } from "../../../lib/skel/build_version.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson, isObject, type JsonValue } from "../../../lib/types/json.ts";
import { OpenInterface, unusable } from "./interface.ts";
import { Lease, type Surroundings } from "./lease.ts";
import type { LeaseStore } from "./lease_store.ts";
import { type Key, type Method, type Methods, type Request, REQUIRED } from "./protocol.ts";
import type { Timing } from "./timing.ts";

/** What a daemon is made of. */
export interface DaemonParts {
  timing: Timing;
  poller: Poller;
  store: LeaseStore;
  /** Put before every path of a namespace. */
  hostPrefix: string;
  log(text: string): void;
}

type MethodTable = {
  [M in Method]: (
    params: Methods[M]["params"],
    signal: AbortSignal,
  ) => Methods[M]["result"] | Promise<Methods[M]["result"]>;
};

/** The leases of a host. */
export class Daemon implements Disposable {
  readonly #leases = new Map<string, Lease>();
  /** Ends the `allocate` that is under way for a key. */
  readonly #pending = new Map<string, AbortController>();
  readonly #surroundings: Surroundings;
  readonly #sweep: ReturnType<typeof setInterval>;
  readonly #methods: MethodTable = {
    allocate: (params, signal) => this.#allocate(params, signal),
    release: (params) => this.#release(params),
    check: (params) => this.#check(params),
    gc: (params) => this.#gc(params),
    leases: () => ({ leases: [...this.#leases.values()].map((lease) => lease.report()) }),
    status: () => ({ version: BUILD_VERSION, pid: runtime.pid }),
  };

  /** Goes on with the leases that an earlier daemon left. */
  constructor(private readonly parts: DaemonParts) {
    const { timing, poller, store, log } = parts;
    this.#surroundings = {
      timing,
      poller,
      log,
      changed: (lease) => this.#save(lease),
      ended: (lease, why) => {
        log(`${describe(lease.key)}: ${why}; its lease ends`);
        this.#forget(lease);
      },
    };
    const damaged = (path: string, why: string) => log(`${path} is left alone: ${why}`);
    for (const { key, place, wishes, ...stored } of store.load(damaged)) {
      const lease = new Lease(key, place, wishes, this.#surroundings, stored);
      this.#leases.set(nameOf(key), lease);
      lease.checkInterface({ afterPause: true });
    }
    for (const lease of this.#leases.values()) lease.start();
    this.#sweep = setInterval(() => {
      for (const lease of this.#leases.values()) lease.checkInterface();
    }, timing.checkIntervalMs);
  }

  /** Answers one request. @see Methods */
  handle({ method, params }: Request, signal: AbortSignal): Promise<JsonValue> | JsonValue {
    if (!Object.hasOwn(this.#methods, method)) {
      throw CniError.invalidConfig(`the dhcp daemon knows no method ${JSON.stringify(method)}`);
    }
    requireParams(method, params);
    const work = this.#methods[method] as (
      params: unknown,
      signal: AbortSignal,
    ) => Promise<JsonValue> | JsonValue;
    return work(params, signal);
  }

  /** Stops. Leases are not released: whoever starts next goes on with them. */
  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    for (const lease of this.#leases.values()) lease.stop();
  }

  async #allocate(
    { netns, wishes, ...key }: Methods["allocate"]["params"],
    signal: AbortSignal,
  ): Promise<Methods["allocate"]["result"]> {
    const name = nameOf(key);
    if (this.#pending.has(name)) {
      throw CniError.tryAgainLater(`${describe(key)}: an address is being got already`);
    }
    const place = this.#find(netns, key.ifName);
    const present = this.#leases.get(name);
    if (present) {
      // The same interface again, after a crash of whoever asked: what it has may still be good.
      const same = present.place.dev === place.dev && present.place.ino === place.ino &&
        present.place.index === place.index;
      if (same && present.grants(wishes)) return present.result();
      present.release();
      this.#forget(present);
    }
    const lease = new Lease(key, place, wishes, this.#surroundings);
    const stop = new AbortController();
    this.#pending.set(name, stop);
    try {
      await lease.acquire(AbortSignal.any([signal, stop.signal]));
      // Known from now on: from the disk even if this process ends before it has answered.
      this.#leases.set(name, lease);
      this.#save(lease);
      if (signal.aborted) throw signal.reason;
      const result = lease.result();
      lease.start();
      return result;
    } catch (error) {
      if (this.#leases.get(name) === lease) {
        lease.release();
        this.#forget(lease);
      }
      throw unusable(error);
    } finally {
      this.#pending.delete(name);
    }
  }

  #release(key: Key): Record<string, never> {
    this.#pending.get(nameOf(key))?.abort(
      CniError.tryAgainLater(`${describe(key)} was detached while it was being attached`),
    );
    const lease = this.#leases.get(nameOf(key));
    if (lease) {
      lease.release();
      this.#forget(lease);
    }
    return {};
  }

  #check({ netns, ...key }: Methods["check"]["params"]): Methods["check"]["result"] {
    const lease = this.#leases.get(nameOf(key));
    if (!lease) {
      throw CniError.internal(`${describe(key)} has no lease; it must be attached anew`);
    }
    const place = this.#find(netns, key.ifName);
    if (place.ino !== lease.place.ino || place.index !== lease.place.index) {
      throw CniError.internal(`${describe(key)}: the lease is another interface's, of before`);
    }
    return lease.result();
  }

  #gc({ network, valid }: Methods["gc"]["params"]): Record<string, never> {
    for (const lease of this.#leases.values()) {
      const { key } = lease;
      const isValid = valid.some(({ containerID, ifname }) =>
        containerID === key.containerId && ifname === key.ifName
      );
      if (key.network === network && !isValid) this.#release(key);
    }
    return {};
  }

  #find(netns: string, ifName: string) {
    using open = OpenInterface.find(this.parts.hostPrefix + netns, ifName);
    return open.place;
  }

  #save(lease: Lease): void {
    if (this.#leases.get(nameOf(lease.key)) !== lease) return;
    try {
      this.parts.store.save(lease.stored());
    } catch (error) {
      // A full disk must not cost a container its address.
      this.parts.log(`${describe(lease.key)}: not kept on disk: ${error}`);
    }
  }

  #forget({ key }: Lease): void {
    this.#leases.delete(nameOf(key));
    this.parts.store.remove(key);
  }
}

/** @throws {CniError} code 7 naming what is missing, or of another kind */
function requireParams(method: Method, params: unknown): void {
  for (const [name, kind] of Object.entries(REQUIRED[method])) {
    const value = isObject(params) ? params[name] : undefined;
    const found = Array.isArray(value) ? "list" : isObject(value) ? "object" : typeof value;
    if (found === kind) continue;
    throw CniError.invalidConfig(
      `the dhcp daemon's method ${method} needs "params.${name}" to be of type ${kind}; it is ${
        encodeJson(value ?? null)
      }`,
    );
  }
}

function nameOf({ containerId, network, ifName }: Key): string {
  return `${containerId}/${network}/${ifName}`;
}

function describe({ containerId, network, ifName }: Key): string {
  return `container ${containerId}, interface ${ifName} of network ${network}`;
}
