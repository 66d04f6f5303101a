import { messageOf } from "../../../lib/runtime/errors.ts";
import type { Client, Configuration, InstalledRoutes, Renewal } from "./configuration.ts";
import { InterfaceGone } from "./interface.ts";
import { now, sleepUntil, type Time } from "./time.ts";

/** The states of RFC 2131, figure 5, that a lease stays in for a time. */
export type State = "acquiring" | "bound" | "renewing" | "rebinding" | "expired";

/** The pause after a failure that is this host's own. Milliseconds. */
const FAILURE_PAUSE = 2000;

/** What a binding does beside talking to servers. */
export interface BindingContext {
  /**
   * Brings the interface from one configuration to the other.
   * @returns what it has instead, where the kernel refused routes
   * @throws {InterfaceGone}
   */
  reconfigure(
    before: Configuration | undefined,
    after: Configuration | undefined,
  ): InstalledRoutes | undefined;
  /** Is called when something changed that is kept on disk. */
  changed(): void;
  log(text: string): void;
}

/** One family's configuration of one interface: acquired, extended, expired and acquired again. */
export class Binding<C extends Configuration> {
  #state: State = "acquiring";
  #current: C | undefined;
  #problem: string | undefined;
  /** Ends a wait for the time to renew. */
  #timesChanged = new AbortController();

  /** @param current what an earlier process had */
  constructor(
    private readonly client: Client<C>,
    private readonly context: BindingContext,
    current?: C,
  ) {
    this.#current = current;
    if (current) this.#state = "bound";
  }

  get state(): State {
    return this.#state;
  }

  /**
   * The configuration that the interface has, or is to have; undefined before the first and after
   * the last.
   */
  get current(): C | undefined {
    return this.#current;
  }

  /** The last failure, until the next success. */
  get problem(): string | undefined {
    return [this.#problem, this.#current?.installed?.problem].filter(Boolean).join("; ") ||
      undefined;
  }

  /** Gets the first configuration, which the main plugin applies. @see Client.acquire */
  async acquire(deadline: Time, signal: AbortSignal): Promise<void> {
    this.#current = this.#withSince(await this.client.acquire(deadline, signal));
    this.#state = "bound";
  }

  /**
   * Extends the configuration again and again, acquires another one when it expires, and follows
   * what changes it meanwhile.
   * @throws {InterfaceGone} in the end, or the signal's reason
   */
  async maintain(signal: AbortSignal): Promise<never> {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const work = [this.#repeat(() => this.#extendOrAcquire(either), either)];
    if (this.client.watch) work.push(this.#repeat(() => this.#watch(either), either));
    try {
      return await Promise.race(work);
    } finally {
      ended.abort(new Error("the lease has ended"));
    }
  }

  /** Repeats work, also after a failure. */
  async #repeat(work: () => Promise<void>, signal: AbortSignal): Promise<never> {
    for (;;) {
      try {
        await work();
      } catch (error) {
        if (error instanceof InterfaceGone || signal.aborted) throw error;
        this.#report(messageOf(error));
        await sleepUntil(now() + FAILURE_PAUSE, signal);
      }
    }
  }

  async #extendOrAcquire(signal: AbortSignal): Promise<void> {
    if (this.#current) await this.#extend(signal);
    else this.#accept(await this.client.acquire(null, signal));
  }

  async #watch(signal: AbortSignal): Promise<void> {
    await this.client.watch?.((revise) => this.#revise(revise), signal);
  }

  /** Replaces the configuration. It is written to the disk unless only its times changed. */
  #revise(revise: (current: C) => C): void {
    const before = this.#current;
    if (!before) return;
    const after = revise(before);
    if (appliedParts(before) === appliedParts(after)) {
      this.#current = { ...this.#withSince(after), installed: before.installed };
    } else this.#install(after, this.#state);
    if (before.renewAt !== after.renewAt) this.#timesChanged.abort();
  }

  /** Releases the configuration, as far as a server can be reached. */
  release(): void {
    if (!this.#current) return;
    try {
      this.client.release(this.#current);
    } catch (error) {
      this.context.log(`not released to ${this.#current.server}: ${messageOf(error)}`);
    }
    this.#current = undefined;
  }

  async #extend(signal: AbortSignal): Promise<void> {
    const current = await this.#untilRenewal(signal);
    const exchange = { signal, report: (problem: string) => this.#report(problem) };
    let outcome: Renewal<C> = { refused: false };
    if (!isPast(current.rebindAt)) {
      this.#state = "renewing";
      outcome = await this.client.renew(current, exchange);
    }
    if (!outcome.granted && !outcome.refused && !isPast(current.expiresAt)) {
      this.#state = "rebinding";
      if (!this.#problem) this.#report(`server ${current.server} does not answer`);
      outcome = await this.client.rebind(current, exchange);
    }
    if (outcome.granted) return this.#accept(outcome.granted);
    this.#report(
      outcome.refused
        ? `server refused to extend ${addressesOf(current)}`
        : `no server extended ${addressesOf(current)} before it expired` +
          (this.#problem ? `: ${this.#problem}` : ""),
    );
    // RFC 2131, section 4.4.5: an address is not used after its lease expired.
    const expired = this.#current;
    this.#change("expired", undefined);
    this.context.reconfigure(expired, undefined);
  }

  /** Waits until it is to be renewed, which may come earlier or later than it was to at first. */
  async #untilRenewal(signal: AbortSignal): Promise<C> {
    for (;;) {
      const current = this.#current!;
      if (isPast(current.renewAt)) return current;
      this.#timesChanged = new AbortController();
      try {
        await sleepUntil(
          current.renewAt,
          AbortSignal.any([signal, this.#timesChanged.signal]),
        );
      } catch {
        signal.throwIfAborted();
      }
    }
  }

  #accept(after: C): void {
    this.#problem = undefined;
    this.#install(after, "bound");
  }

  /** Brings the interface to a configuration. */
  #install(after: C, state: State): void {
    const before = this.#current;
    const installed = this.context.reconfigure(before, after);
    if (!before || addressesOf(before) !== addressesOf(after)) {
      this.context.log(`now has ${addressesOf(after)} from ${after.server}`);
    }
    if (installed && installed.problem !== before?.installed?.problem) {
      this.context.log(installed.problem);
    }
    this.#change(state, { ...this.#withSince(after), installed });
  }

  /** Adds since when there are its addresses: those of the present configuration stay. */
  #withSince(after: C): C {
    const before = this.#current;
    const isSame = before && addressesOf(before) === addressesOf(after);
    return { ...after, since: isSame ? before.since : now() };
  }

  #change(state: State, current: C | undefined): void {
    this.#state = state;
    this.#current = current;
    this.context.changed();
  }

  #report(problem: string): void {
    if (problem !== this.#problem) this.context.log(problem);
    this.#problem = problem;
  }
}

/** Selects the parts of a configuration that are on the interface, or in its result. */
function appliedParts({ ips, routes, dns, deprecated }: Configuration): string {
  return JSON.stringify([ips, routes, dns, deprecated]);
}

function isPast(time: Time): boolean {
  return time !== null && now() >= time;
}

function addressesOf({ ips }: Configuration): string {
  return ips.map(({ address }) => address).join(", ");
}
