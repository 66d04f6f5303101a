import type { IpAddress } from "../../../lib/ip/address.ts";
import { addressOf } from "../../../lib/ipam/configure.ts";
import type { Watcher } from "../../../lib/libc/poller.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import { type Attachment, describeAttachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson } from "../../../lib/types/json.ts";
import type { Result } from "../../../lib/types/result.ts";
import { Binding, type BindingContext } from "./binding.ts";
import type { Configuration } from "./configuration.ts";
import { InterfaceGone, type InterfaceId, OpenInterface, sameInterface } from "./interface.ts";
import { reportOf, resultOf } from "./lease_result.ts";
import type { LeaseState } from "./lease_record.ts";
import type { ClientConfig, LeaseReport } from "./protocol.ts";
import { reconfigure } from "./reconfigure.ts";
import type { Timing } from "./retransmission.ts";
import { now } from "./time.ts";
import { Client4 } from "./v4/client.ts";
import type { Configuration4 } from "./v4/configuration.ts";
import { clientIdentity } from "./v4/identity.ts";
import { Client6 } from "./v6/client.ts";
import type { Configuration6 } from "./v6/configuration.ts";

/** What every lease of a daemon uses. */
export interface LeaseContext {
  timing: Timing;
  poller: Watcher;
  log(text: string): void;
  /** Is called when something of a lease changed that is kept on disk. */
  changed(lease: Lease): void;
  /** Is called when a lease ended by itself: its interface is not there any more. */
  ended(lease: Lease, why: string): void;
}

/** What a lease is for, and how to get it. */
export interface LeaseRequest {
  attachment: Attachment;
  interfaceId: InterfaceId;
  config: ClientConfig;
  /** Tells whether an earlier lease of the attachment has an address: it must not be released. */
  isHeld?(address: IpAddress): boolean;
}

/** The addresses of one interface, from the first question to the end of the interface. */
export class Lease {
  readonly attachment: Attachment;
  readonly interfaceId: InterfaceId;
  readonly config: ClientConfig;
  readonly #context: LeaseContext;
  readonly #stop = new AbortController();
  /** The interface's hardware address when it was last looked at. */
  #mac: string;
  readonly #v4: Binding<Configuration4> | undefined;
  readonly #v6: Binding<Configuration6> | undefined;

  /** @param stored what an earlier daemon had */
  constructor(
    { attachment, interfaceId, config, isHeld = () => false }: LeaseRequest,
    context: LeaseContext,
    stored: Partial<Pick<LeaseState, "mac" | "v4" | "v6">> = {},
  ) {
    this.attachment = attachment;
    this.interfaceId = interfaceId;
    this.config = config;
    this.#context = context;
    this.#mac = stored.mac ?? interfaceId.mac;
    const clientContext = { timing: context.timing, poller: context.poller, isHeld };
    const bindingContext: BindingContext = {
      reconfigure: (before, after) => reconfigure(interfaceId, before, after),
      changed: () => context.changed(this),
      log: (text) => context.log(`${describeAttachment(attachment)}: ${text}`),
    };
    if (config.ipv4) {
      const client = new Client4(interfaceId, clientIdentity(attachment, config), clientContext);
      this.#v4 = new Binding(client, bindingContext, stored.v4);
    }
    if (config.ipv6 !== "off") {
      const { ipv6: mode, priority } = config;
      const identity = { attachment, mode, priority };
      const client = new Client6(interfaceId, identity, clientContext, stored.v6);
      this.#v6 = new Binding(client, bindingContext, stored.v6);
    }
  }

  /**
   * Gets addresses of every family that is asked for.
   * @param signal gives up, and releases what was granted
   * @throws {CniError} code 11 when no server grants any
   */
  async acquire(signal: AbortSignal): Promise<void> {
    const deadline = now() + this.#context.timing.resendTimeoutMs;
    // When one family fails the other need not go on.
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal, this.#stop.signal]);
    const works = this.#bindings.map(({ binding }) =>
      binding.acquire(deadline, both).catch((error) => {
        failed.abort(error);
        throw error;
      })
    );
    const outcomes = await Promise.allSettled(works);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (!failure) return;
    this.release();
    throw failed.signal.reason ?? failure.reason;
  }

  /** Extends the lease from now on, before it expires. */
  start(): void {
    for (const { binding } of this.#bindings) {
      binding.maintain(this.#stop.signal).catch((error) => {
        if (!this.#stop.signal.aborted) this.#end(messageOf(error));
      });
    }
  }

  /**
   * Ends the lease where its interface is not there any more.
   * @param afterPause nobody looked for a time. The numbers of namespaces and interfaces are used
   *   again, so the interface must also have the hardware address of before, or one of the lease's
   *   addresses
   */
  checkInterface({ afterPause = false } = {}): void {
    try {
      using open = OpenInterface.at(this.interfaceId);
      const { address, name } = open.link;
      if (address === this.#mac) return;
      if (afterPause && !this.#hasAddressAt(open)) {
        throw new InterfaceGone(`${name} in ${this.interfaceId.netns} is another interface now`);
      }
      this.#mac = address;
      this.#context.changed(this);
    } catch (error) {
      if (error instanceof InterfaceGone) this.#end(error.message);
    }
  }

  /** Releases all addresses, and ends. */
  release(): void {
    this.stop();
    for (const { binding } of this.#bindings) binding.release();
  }

  /** Ends in favour of another lease of the same attachment: what that one has is not released. */
  supersede(by: Lease): void {
    this.stop();
    for (const { binding } of this.#bindings) {
      const isKept = binding.current?.ips.some((ip) => by.has(addressOf(ip).ip));
      if (!isKept) binding.release();
    }
  }

  /** Stops extending, and releases nothing: another process may go on with the addresses. */
  stop(): void {
    this.#stop.abort(new Error("the lease has ended"));
  }

  /** Tells whether it is for this interface, by this configuration, and has all addresses. */
  grants({ interfaceId, config }: LeaseRequest): boolean {
    return sameInterface(interfaceId, this.interfaceId) &&
      encodeJson(config) === encodeJson(this.config) &&
      this.#bindings.every(({ binding }) => binding.current !== undefined);
  }

  /** Tells whether it has an address now. */
  has(address: IpAddress): boolean {
    return this.#bindings.some(({ binding }) =>
      binding.current?.ips.some((ip) => addressOf(ip).ip.equals(address))
    );
  }

  /**
   * Makes the result of what the interface has now.
   * @throws {CniError} code 999 when the lease expired
   */
  result(): Result {
    return resultOf(this.#bindings.map(({ family, binding }) => {
      if (binding.current) return binding.current;
      throw CniError.internal(
        `the IPv${family} lease of ${
          describeAttachment(this.attachment)
        } is ${binding.state}: ${binding.problem}`,
      );
    }));
  }

  stored(): LeaseState {
    const { attachment, interfaceId, config } = this;
    const [v4, v6] = [this.#v4?.current, this.#v6?.current];
    return { attachment, interfaceId, config, mac: this.#mac, v4, v6 };
  }

  report(): LeaseReport {
    const bindings = this.#bindings.map(({ family, binding }) => reportOf(family, binding));
    return { ...this.attachment, netns: this.interfaceId.netns, bindings };
  }

  get #bindings(): { family: 4 | 6; binding: Binding<Configuration> }[] {
    const bindings: { family: 4 | 6; binding: Binding<Configuration> }[] = [];
    if (this.#v4) {
      bindings.push({ family: 4, binding: this.#v4 as unknown as Binding<Configuration> });
    }
    if (this.#v6) {
      bindings.push({ family: 6, binding: this.#v6 as unknown as Binding<Configuration> });
    }
    return bindings;
  }

  #hasAddressAt({ inside, link }: OpenInterface): boolean {
    return inside.address.list({ device: link }).some(({ address }) => this.has(address.ip));
  }

  #end(why: string): void {
    if (this.#stop.signal.aborted) return;
    this.stop();
    this.#context.ended(this, why);
  }
}
