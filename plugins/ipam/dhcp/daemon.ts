/**
 * The dhcp daemon: it holds the leases of this host's containers, and answers the plugin.
 *
 * All leases share one thread. What belongs to a container's namespace are the sockets that were
 * opened inside, and those work from any thread, so the number of threads does not grow with the
 * number of containers. A socket is open for as long as an exchange with a server lasts; between
 * two of them a DHCPv4 lease is a timer and a file on disk, and an IPv6 lease has one more socket,
 * which hears the link's routers.
 *
 * @module
 */
import type { IpAddress } from "../../../lib/ip/address.ts";
import type { Poller } from "../../../lib/libc/poller.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { BUILD_VERSION } from "../../../lib/skel/build_version.ts";
import {
  type Attachment,
  attachmentKey,
  describeAttachment,
  membership,
} from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { JsonObject, JsonValue } from "../../../lib/types/json.ts";
import type { Result } from "../../../lib/types/result.ts";
import { interfaceError, type InterfaceId, OpenInterface, sameInterface } from "./interface.ts";
import { Lease, type LeaseContext } from "./lease.ts";
import type { LeaseStore } from "./lease_store.ts";
import type { Allocation, Method, Methods, Request } from "./protocol.ts";
import { requireParams } from "./request.ts";
import type { Timing } from "./retransmission.ts";

/** What a daemon is made of. */
export interface DaemonParts {
  timing: Timing;
  poller: Poller;
  store: LeaseStore;
  /** Put before every path of a namespace. */
  hostPrefix: string;
  /** Is told what happens, in one line. */
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
  /** Ends the `allocate` that is under way for an attachment. */
  readonly #pending = new Map<string, AbortController>();
  readonly #context: LeaseContext;
  readonly #sweep: ReturnType<typeof setInterval>;
  readonly #methods: MethodTable = {
    allocate: (params, signal) => this.#allocate(params, signal),
    release: ({ attachment }) => this.#release(attachment),
    check: (params) => this.#check(params),
    gc: (params) => this.#gc(params),
    leases: () => ({ leases: [...this.#leases.values()].map((lease) => lease.report()) }),
    status: () => ({ version: BUILD_VERSION, pid: runtime.pid }),
  };

  /** Goes on with the leases that an earlier daemon left. */
  constructor(private readonly parts: DaemonParts) {
    const { timing, poller, store, log } = parts;
    this.#context = {
      timing,
      poller,
      log,
      changed: (lease) => this.#save(lease),
      ended: (lease, why) => {
        log(`${describeAttachment(lease.attachment)}: ${why}; its lease ends`);
        this.#removeLease(lease);
      },
    };
    for (const stored of store.load()) {
      const lease = new Lease(stored, this.#context, stored);
      this.#leases.set(attachmentKey(lease.attachment), lease);
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

  /** Stops. Leases are not released: the next daemon goes on with them. */
  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    for (const lease of this.#leases.values()) lease.stop();
  }

  async #allocate(
    { attachment, netns, config }: Methods["allocate"]["params"],
    signal: AbortSignal,
  ): Promise<Allocation & JsonObject> {
    const key = attachmentKey(attachment);
    if (this.#pending.has(key)) {
      throw CniError.tryAgainLater(
        `${describeAttachment(attachment)}: an address is being acquired already`,
      );
    }
    const interfaceId = this.#find(netns, attachment.ifName);
    const present = this.#leases.get(key);
    const isPresent = () => present !== undefined && this.#leases.get(key) === present;
    const request = {
      attachment,
      interfaceId,
      config,
      isHeld: (address: IpAddress) => isPresent() && present!.has(address),
    };
    if (present?.grants(request)) return answer(present, false);
    if (present && !sameInterface(present.interfaceId, interfaceId)) {
      present.checkInterface();
      if (isPresent()) throw isAttached(present, netns);
    }
    const lease = new Lease(request, this.#context);
    const stop = new AbortController();
    this.#pending.set(key, stop);
    try {
      const either = AbortSignal.any([signal, stop.signal]);
      await lease.acquire(either);
      if (either.aborted) {
        lease.release();
        throw either.reason;
      }
      return this.#install(lease, isPresent() ? present : undefined);
    } catch (error) {
      throw interfaceError(error);
    } finally {
      this.#pending.delete(key);
    }
  }

  /** Keeps a new lease, from now on also on disk, in the place of an earlier one. */
  #install(lease: Lease, earlier: Lease | undefined): Allocation & JsonObject {
    earlier?.supersede(lease);
    this.#leases.set(attachmentKey(lease.attachment), lease);
    this.#save(lease);
    lease.start();
    return answer(lease, earlier === undefined);
  }

  #release(attachment: Attachment): Record<string, never> {
    const key = attachmentKey(attachment);
    this.#pending.get(key)?.abort(
      CniError.tryAgainLater(
        `${describeAttachment(attachment)} was detached while it was being attached`,
      ),
    );
    const lease = this.#leases.get(key);
    if (lease) {
      lease.release();
      this.#removeLease(lease);
    } else {
      // A record that could not be read goes with its attachment.
      this.#removeRecord(attachment);
    }
    return {};
  }

  #check({ attachment, netns }: Methods["check"]["params"]): Result & JsonObject {
    const lease = this.#leases.get(attachmentKey(attachment));
    const name = describeAttachment(attachment);
    if (!lease) throw CniError.internal(`${name} has no lease; it must be attached anew`);
    if (!sameInterface(lease.interfaceId, this.#find(netns, attachment.ifName))) {
      throw CniError.internal(`${name}: the lease is another interface's, of before`);
    }
    return lease.result() as Result & JsonObject;
  }

  #gc({ network, valid }: Methods["gc"]["params"]): Record<string, never> {
    const isValid = membership(valid.map((attachment) => ({ ...attachment, network })));
    for (const { attachment } of [...this.#leases.values()]) {
      if (attachment.network === network && !isValid(attachment)) this.#release(attachment);
    }
    return {};
  }

  #find(netns: string, ifName: string): InterfaceId {
    using open = OpenInterface.find(this.parts.hostPrefix + netns, ifName);
    return open.id;
  }

  #save(lease: Lease): void {
    if (this.#leases.get(attachmentKey(lease.attachment)) !== lease) return;
    try {
      this.parts.store.save(lease.stored());
    } catch (error) {
      // A full disk must not cost a container its address.
      const name = describeAttachment(lease.attachment);
      this.parts.log(`${name}: not kept on disk: ${messageOf(error)}`);
    }
  }

  #removeLease({ attachment }: Lease): void {
    this.#leases.delete(attachmentKey(attachment));
    this.#removeRecord(attachment);
  }

  #removeRecord(attachment: Attachment): void {
    try {
      this.parts.store.remove(attachment);
    } catch (error) {
      this.parts.log(`${describeAttachment(attachment)}: ${messageOf(error)}`);
    }
  }
}

function answer(lease: Lease, created: boolean): Allocation & JsonObject {
  return { created, lease: lease.result() as Result & JsonObject };
}

/** The answer to an ADD of what is attached elsewhere: its lease, and its address, stay. */
function isAttached({ attachment, interfaceId }: Lease, netns: string): CniError {
  return CniError.internal(
    `${describeAttachment(attachment)} has a lease already, for the interface in ` +
      `${interfaceId.netns}; it must be detached (DEL) before it is attached in ${netns}`,
  );
}
