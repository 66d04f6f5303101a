/**
 * Plugins that a runtime calls as functions, in its own process.
 *
 * @module
 */
import { callPlugin, type Limits } from "../invoke/exec.ts";
import { type InProcessPlugin, withPlugins } from "../invoke/in_process.ts";
import { endSoon } from "../runtime/caller.ts";
import { type CallContext, runInCall } from "../runtime/current_call.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { AnyPlugin } from "../skel/plugin.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";

/** Plugins as functions, by their names. */
export class GivenPlugins {
  readonly #plugins: ReadonlyMap<string, InProcessPlugin>;

  /** @throws {TypeError} where two have one name */
  constructor(plugins: readonly AnyPlugin[]) {
    const byName = new Map<string, InProcessPlugin>();
    for (const plugin of plugins) {
      if (byName.has(plugin.name)) throw new TypeError(`two plugins are named ${plugin.name}`);
      byName.set(plugin.name, async ({ env, stdin, interrupted }) => {
        const { dispatch } = await import("../skel/dispatch.ts");
        return await dispatch(plugin, { env, stdin }, interrupted);
      });
    }
    this.#plugins = byName;
  }

  /** Whether the plugin `type` is among them. */
  has(type: string): boolean {
    return this.#plugins.has(type);
  }

  /**
   * Calls plugin `type`, one of {@link has}. The plugins that it delegates to are called as functions
   * too, where they are among these.
   * @param request the whole environment, the configuration, and the limits: at the deadline, or when
   * it is aborted, the call is interrupted, as a signal interrupts a process. ADD is undone
   * @throws {CniError} the plugin's own error
   */
  async call(
    type: string,
    request: Limits & { stdin: string; env: Readonly<Record<string, string>> },
  ): Promise<string> {
    const plugin = this.#plugins.get(type)!;
    using interruption = new Interruption(type, request);
    const context: CallContext = {
      environment: request.env,
      directory: "/proc/self/cwd",
      writeError: (text) => runtime.write(2, text),
      inherited: new Set(),
    };
    const interruptible: InProcessPlugin = async (call) => {
      const reply = await plugin({ ...call, interrupted: interruption.promise });
      // A killed process does nothing more: the error is returned once that is true here, too.
      if (reply.settled && interruption.reason) await endSoon(reply.settled, interruption.reason);
      return reply;
    };
    return await runInCall(
      context,
      () => withPlugins(this.#plugins, () => callPlugin(type, interruptible, request)),
    );
  }
}

/** A promise that rejects at a deadline, or when an `AbortSignal` aborts. */
class Interruption implements Disposable {
  readonly promise: Promise<never>;
  /** Why it has rejected. */
  reason: CniError | undefined;
  readonly #release: () => void;

  constructor(type: string, { timeoutMs, abort }: Limits) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // It may reject when nobody waits for it any more.
    this.promise = promise;
    const interrupt = (why: string) => {
      this.reason ??= CniError.internal(`plugin ${quote(type)} ${why}`);
      reject(this.reason);
    };
    const aborted = () => interrupt(`was interrupted (${messageOf(abort?.reason)})`);
    const timer = timeoutMs === undefined ? undefined : setTimeout(
      () => interrupt(`did not finish within ${timeoutMs} ms`),
      timeoutMs,
    );
    if (abort?.aborted) aborted();
    abort?.addEventListener("abort", aborted);
    this.#release = () => {
      clearTimeout(timer);
      abort?.removeEventListener("abort", aborted);
    };
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}
