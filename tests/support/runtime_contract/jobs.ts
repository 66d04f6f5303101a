/** What the program does in a process of its own, for cases about processes. */
import { errnoCode, messageOf } from "../../../lib/runtime/errors.ts";
import type { Runtime } from "../../../lib/runtime/types.ts";

/** By name; given the arguments behind it. A job that returns lets the process end by itself. */
export const JOBS: Readonly<
  Record<string, (runtime: Runtime, args: readonly string[]) => void | Promise<void>>
> = {
  args: (runtime, args) => runtime.write(1, JSON.stringify(args)),

  argv0: (runtime) => runtime.write(1, runtime.argv0),

  env(runtime, names) {
    const values = names.map((name) => runtime.env(name) ?? "undefined");
    runtime.write(1, JSON.stringify([values, runtime.environment()]));
  },

  exit(runtime, [status]) {
    runtime.write(1, "written");
    runtime.exit(Number(status));
  },

  stdin: (runtime, [limit]) => runtime.write(1, String(runtime.readStdin(Number(limit)).length)),

  write(runtime) {
    runtime.write(1, "0123456789abcdef".repeat(65536));
    runtime.write(2, "grün");
  },

  async run(runtime, [program = "", ...args]) {
    try {
      const { stdout } = await runtime.run(program, args, { timeoutMs: 60_000 });
      runtime.write(1, new TextDecoder().decode(stdout));
    } catch (error) {
      runtime.write(1, errnoCode(error) ?? messageOf(error));
    }
  },

  "broken-pipe"(runtime) {
    const { pipe, dup2, close } = runtime.bind("libc.so.6", {
      pipe: ["i32", "buffer"],
      dup2: ["i32", "i32", "i32"],
      close: ["i32", "i32"],
    });
    const ends = new Int32Array(2);
    pipe(ends);
    dup2(ends[1]!, 1);
    close(ends[0]!);
    try {
      runtime.write(1, "nobody reads this");
    } catch (error) {
      runtime.write(2, errnoCode(error) ?? String(error));
    }
  },

  "not-blocking"(runtime) {
    const { fcntl } = runtime.bind("libc.so.6", { fcntl: ["i32", "i32", "i32", "i32"] });
    const [F_SETFL, O_NONBLOCK] = [4, 0o4000];
    for (const descriptor of [0, 1]) fcntl(descriptor, F_SETFL, O_NONBLOCK);
    runtime.write(1, String(runtime.readStdin(1000).length).padEnd(1 << 20));
  },

  signal(runtime, [number]) {
    const { kill } = runtime.bind("libc.so.6", { kill: ["i32", "i32", "i32"] });
    const alive = setInterval(() => {}, 1000);
    runtime.onSignal(["SIGTERM", "SIGINT", "SIGHUP"], (signal) => {
      clearInterval(alive);
      runtime.write(1, signal);
      runtime.exit(3);
    });
    setTimeout(() => kill(runtime.pid, Number(number)), 50);
  },

  crash(runtime, [how]) {
    runtime.onCrash((error) => {
      runtime.write(1, messageOf(error));
      runtime.exit(3);
    });
    if (how === "rejection") void Promise.reject(new Error(how));
    else {
      setTimeout(() => {
        throw new Error(how);
      });
    }
  },

  terminal: (runtime) =>
    runtime.write(1, JSON.stringify([runtime.isTerminal(0), runtime.isTerminal(1)])),
};
