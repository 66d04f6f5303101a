import { messageOf } from "../../../lib/runtime/errors.ts";
import type { Poller } from "../../../lib/libc/poller.ts";
import { CniError } from "../../../lib/types/error.ts";
import { encodeJson } from "../../../lib/types/json.ts";
import type { Result } from "../../../lib/types/result.ts";
import { Binding, type Effects } from "./binding.ts";
import type { Configuration } from "./configuration.ts";
import { OpenInterface, type Place, reconfigure, Vanished } from "./interface.ts";
import type { LeaseState } from "./lease_store.ts";
import type { BindingReport, Key, LeaseReport, Wishes } from "./protocol.ts";
import { now, onCalendar } from "./time.ts";
import type { Timing } from "./timing.ts";
import { Client4, type Configuration4, type Identity } from "./v4/client.ts";
import { Option } from "./v4/options.ts";
import { Client6 } from "./v6/client.ts";
import type { Configuration6 } from "./v6/configuration.ts";

/** What every lease of a daemon uses. */
export interface Surroundings {
  timing: Timing;
  poller: Poller;
  log(text: string): void;
  /** Something of a lease changed that is kept on disk. */
  changed(lease: Lease): void;
  /** A lease has come to its end by itself: its interface is no more. */
  ended(lease: Lease, why: string): void;
}

/** The addresses of one interface, from the first question to the end of the interface. */
export class Lease {
  readonly #surroundings: Surroundings;
  readonly #stop = new AbortController();
  #mac: string;
  readonly #v4: Binding<Configuration4> | undefined;
  readonly #v6: Binding<Configuration6> | undefined;

  constructor(
    readonly key: Key,
    readonly place: Place,
    readonly wishes: Wishes,
    surroundings: Surroundings,
    stored: Partial<Pick<LeaseState, "mac" | "v4" | "v6">> = {},
  ) {
    this.#surroundings = surroundings;
    this.#mac = stored.mac ?? place.mac;
    const { timing, poller } = surroundings;
    const effects: Effects = {
      reconfigure: (before, after) => reconfigure(place, before, after).forEach(effects.log),
      changed: () => surroundings.changed(this),
      log: (text) => surroundings.log(`${this.#name}: ${text}`),
    };
    if (wishes.ipv4) {
      const client = new Client4(place, identityOf(key, wishes), timing, poller);
      this.#v4 = new Binding(client, effects, stored.v4);
    }
    if (wishes.ipv6 !== "off") {
      const client = new Client6(place, { key, mode: wishes.ipv6, priority: wishes.priority }, {
        timing,
        poller,
      });
      this.#v6 = new Binding(client, effects, stored.v6);
    }
  }

  /**
   * Gets addresses of every family that is wanted.
   * @param signal gives up, and gives back what was got
   * @throws {CniError} code 11 when no server grants any
   */
  async acquire(signal: AbortSignal): Promise<void> {
    const deadline = now() + this.#surroundings.timing.resendTimeoutMs;
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

  /** Keeps the addresses alive from now on. */
  start(): void {
    for (const { binding } of this.#bindings) {
      binding.maintain(this.#stop.signal).catch((error) => {
        if (!this.#stop.signal.aborted) this.#end(messageOf(error));
      });
    }
  }

  /**
   * Ends the lease where its interface is no more.
   * @param afterPause nobody looked for a time: namespaces' numbers and interfaces' come again
   *   soon, so the hardware address must be the one of before, too
   */
  checkInterface({ afterPause = false } = {}): void {
    try {
      using open = OpenInterface.at(this.place);
      const { address } = open.link;
      if (address === this.#mac) return;
      if (afterPause) throw new Vanished(`${this.place.ifName} is another interface by now`);
      this.#mac = address;
      this.#surroundings.changed(this);
    } catch (error) {
      if (error instanceof Vanished) this.#end(error.message);
    }
  }

  /** Gives everything back, and ends. */
  release(): void {
    this.stop();
    for (const { binding } of this.#bindings) binding.release();
  }

  /** Ends without a word to anybody: the addresses are kept, for another process to go on with. */
  stop(): void {
    this.#stop.abort(new Error("the lease has ended"));
  }

  /** Whether these are its wishes, and it has an address for each of them. */
  grants(wishes: Wishes): boolean {
    return encodeJson(wishes) === encodeJson(this.wishes) &&
      this.#bindings.every(({ binding }) => binding.current !== undefined);
  }

  /** What the interface has now. @throws {CniError} code 999 when its time is over */
  result(): Result {
    const current = this.#bindings.map(({ family, binding }) => {
      if (binding.current) return binding.current;
      throw CniError.internal(
        `the IPv${family} lease of ${this.#name} is ${binding.state}: ${binding.problem}`,
      );
    });
    const dns = {
      nameservers: current.flatMap(({ dns }) => dns.nameservers ?? []),
      domain: current.find(({ dns }) => dns.domain)?.dns.domain,
      search: [...new Set(current.flatMap(({ dns }) => dns.search ?? []))],
    };
    return {
      ips: current.flatMap(({ ips }) => ips),
      routes: current.flatMap(({ routes }) => routes),
      dns: {
        ...(dns.nameservers.length > 0 && { nameservers: dns.nameservers }),
        ...(dns.domain && { domain: dns.domain }),
        ...(dns.search.length > 0 && { search: dns.search }),
      },
    };
  }

  stored(): LeaseState {
    const { key, place, wishes } = this;
    return { key, place, mac: this.#mac, wishes, v4: this.#v4?.current, v6: this.#v6?.current };
  }

  report(): LeaseReport {
    const bindings = this.#bindings.map(({ family, binding }): BindingReport => {
      const { state, current, problem } = binding;
      return {
        family,
        state,
        addresses: current?.ips.map(({ address }) => address) ?? [],
        ...(current && {
          server: current.server,
          renewAt: onCalendar(current.renewAt),
          rebindAt: onCalendar(current.rebindAt),
          expiresAt: onCalendar(current.expiresAt),
        }),
        ...(problem && { problem }),
      };
    });
    return { ...this.key, netns: this.place.netns, bindings };
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

  get #name(): string {
    return `container ${this.key.containerId}, interface ${this.key.ifName}`;
  }

  #end(why: string): void {
    if (this.#stop.signal.aborted) return;
    this.stop();
    this.#surroundings.ended(this, why);
  }
}

/** What DHCPv4 servers are told: the names that the Go plugin gives, so that addresses are kept. */
function identityOf(key: Key, wishes: Wishes): Identity {
  const encode = (value: string) => new TextEncoder().encode(value);
  const name = encode(`${key.containerId}/${key.network}/${key.ifName}`).subarray(0, 254);
  const provide = new Map(wishes.provide.map(([code, value]) => [code, encode(value)]));
  const clientId = provide.get(Option.clientId) ?? Uint8Array.of(0, ...name);
  provide.delete(Option.clientId);
  return { clientId, provide, parameters: wishes.request, priority: wishes.priority };
}
