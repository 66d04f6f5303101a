import { messageOf } from "../../../lib/runtime/errors.ts";
import type { Client, Configuration, Renewal } from "./configuration.ts";
import { Vanished } from "./interface.ts";
import { now, sleepUntil, type Time } from "./time.ts";

/** RFC 2131's states, as far as a lease stays in them for a time. */
export type State = "acquiring" | "bound" | "renewing" | "rebinding" | "expired";

/** Before trying again what failed for reasons of this host. Milliseconds. */
const FAILURE_PAUSE = 2000;

/** What a binding does beside talking to servers. */
export interface Effects {
  /** The interface is to have `after` instead of `before`. @throws {Vanished} */
  reconfigure(before: Configuration | undefined, after: Configuration | undefined): void;
  /** Something changed that is kept on disk. */
  changed(): void;
  log(text: string): void;
}

/** One family's configuration of one interface, over its whole life. */
export class Binding<C extends Configuration> {
  #state: State = "acquiring";
  #current: C | undefined;
  /** What went wrong last, until something went right. */
  problem: string | undefined;

  /** @param current what an earlier process had */
  constructor(
    private readonly client: Client<C>,
    private readonly effects: Effects,
    current?: C,
  ) {
    this.#current = current;
    if (current) this.#state = "bound";
  }

  get state(): State {
    return this.#state;
  }

  /** What the interface has, or is to have; undefined before the first and after the last. */
  get current(): C | undefined {
    return this.#current;
  }

  /** Gets the first configuration; whoever asked for it applies it. @see Client.acquire */
  async acquire(deadline: Time, signal: AbortSignal): Promise<void> {
    this.#current = await this.client.acquire(deadline, signal);
    this.#state = "bound";
  }

  /**
   * Keeps the configuration alive for as long as the interface is.
   * @throws {Vanished} in the end, or the signal's reason
   */
  async maintain(signal: AbortSignal): Promise<never> {
    for (;;) {
      try {
        if (this.#current) await this.#extend(this.#current, signal);
        else await this.#startOver(signal);
      } catch (error) {
        if (error instanceof Vanished || signal.aborted) throw error;
        this.#fails(messageOf(error));
        await sleepUntil(now() + FAILURE_PAUSE, signal);
      }
    }
  }

  /** Gives back what there is, as far as there is a way to. */
  release(): void {
    if (!this.#current) return;
    try {
      this.client.release(this.#current);
    } catch (error) {
      this.effects.log(`not released to ${this.#current.server}: ${messageOf(error)}`);
    }
    this.#current = undefined;
  }

  async #extend(current: C, signal: AbortSignal): Promise<void> {
    const learnt = await this.client.untilRenewal(current, signal);
    if (learnt) return this.#accept(current, learnt);
    let outcome: Renewal<C> = { refused: false };
    if (!isPast(current.rebindAt)) {
      this.#state = "renewing";
      outcome = await this.client.renew(current, signal);
    }
    if (!outcome.granted && !outcome.refused && !isPast(current.expiresAt)) {
      this.#state = "rebinding";
      this.#fails(`server ${current.server} does not answer`);
      outcome = await this.client.rebind(current, signal);
    }
    if (outcome.granted) return this.#accept(current, outcome.granted);
    this.#fails(
      outcome.refused
        ? `server refused to extend ${addressesOf(current)}`
        : `no server extended ${addressesOf(current)} before it expired`,
    );
    // RFC 2131, section 4.4.5: an address is not used beyond its time.
    this.#change("expired", undefined);
    this.effects.reconfigure(current, undefined);
  }

  async #startOver(signal: AbortSignal): Promise<void> {
    const granted = await this.client.acquire(null, signal);
    this.#accept(undefined, granted);
  }

  #accept(before: C | undefined, after: C): void {
    this.effects.reconfigure(before, after);
    if (!before || addressesOf(before) !== addressesOf(after)) {
      this.effects.log(`now has ${addressesOf(after)} from ${after.server}`);
    }
    this.problem = undefined;
    this.#change("bound", after);
  }

  #change(state: State, current: C | undefined): void {
    this.#state = state;
    this.#current = current;
    this.effects.changed();
  }

  #fails(problem: string): void {
    if (problem !== this.problem) this.effects.log(problem);
    this.problem = problem;
  }
}

function isPast(time: Time): boolean {
  return time !== null && now() >= time;
}

function addressesOf({ ips }: Configuration): string {
  return ips.map(({ address }) => address).join(", ");
}
