import { assertEquals, assertRejects } from "@std/assert";
import {
  callerEnv,
  callerEnvironment,
  endExecuted,
  fromCaller,
  untilEnded,
  warn,
} from "./caller.ts";
import { type CallContext, runInCall } from "./current_call.ts";
import { runtime } from "./mod.ts";

/** A call with a directory of its own, and what it wrote to standard error. */
function newCall(environment: Record<string, string>, umask: number) {
  const directory = Deno.makeTempDirSync({ prefix: "call-" });
  const errors: string[] = [];
  const context: CallContext = {
    environment,
    directory,
    umask,
    writeError: (text) => void errors.push(text),
    inherited: new Set(),
  };
  return {
    context,
    directory,
    errors,
    [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }),
  };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

Deno.test("two calls at once have each its environment, directory, umask, standard error and programs", async () => {
  using a = newCall({ WHO: "a" }, 0o077);
  using b = newCall({ PATH: "/usr/bin:/bin", WHO: "b" }, 0o002);
  Object.assign(a.context.environment, { PATH: `/none:${a.directory}/bin` });
  Deno.mkdirSync(`${a.directory}/bin`);
  Deno.writeTextFileSync(`${a.directory}/bin/id`, '#!/bin/sh\necho "$WHO"\n', { mode: 0o755 });
  const work = async ({ directory }: { directory: string }) => {
    await pause();
    runtime.files.makeDirectory("deep/er");
    await pause();
    runtime.files.write("deep/file", "text", { mode: 0o666 });
    const { stdout } = await runtime.run("id", ["-u"], { timeoutMs: 60_000 });
    const touched = await runtime.run("/usr/bin/touch", ["made"], { timeoutMs: 60_000 });
    warn(`${callerEnv("WHO")}\n`);
    await pause();
    return {
      env: [callerEnv("WHO"), callerEnv("HOME"), callerEnv("toString"), callerEnvironment().WHO],
      id: new TextDecoder().decode(stdout).trim(),
      touched: touched.code,
      modes: ["deep/er", "deep/file", "made"].map((name) =>
        Deno.statSync(`${directory}/${name}`).mode! & 0o777
      ),
      read: runtime.files.readText("deep/file"),
      inside: fromCaller("x") === `${directory}/x` && fromCaller("/x") === "/x",
    };
  };
  const [ofA, ofB] = await Promise.all([
    runInCall(a.context, () => work(a)),
    runInCall(b.context, () => work(b)),
  ]);
  const same = { touched: 0, read: "text", inside: true };
  assertEquals(ofA, {
    ...same,
    env: ["a", undefined, undefined, "a"],
    id: "a",
    modes: [0o700, 0o600, 0o600],
  });
  assertEquals(ofB, {
    ...same,
    env: ["b", undefined, undefined, "b"],
    id: String(Deno.uid()),
    modes: [0o775, 0o664, 0o664],
  });
  assertEquals([a.errors, b.errors], [["a\n"], ["b\n"]]);
  assertEquals(callerEnv("PATH"), Deno.env.get("PATH"), "outside of calls, the process's own");
});

Deno.test("endExecuted() ends what one call executes, and nothing of another's", async () => {
  using a = newCall({}, 0o022);
  using b = newCall({}, 0o022);
  const sleep = (seconds: string) =>
    runtime.run("sleep", [seconds], { timeoutMs: 60_000, abort: untilEnded() });
  const long = runInCall(a.context, () => sleep("60"));
  const short = runInCall(b.context, () => sleep("0.3"));
  runInCall(a.context, () => endExecuted(new Error("interrupted")));
  assertEquals([(await long).signal, (await short).code], ["SIGKILL", 0]);
  assertEquals((await runInCall(a.context, () => sleep("0"))).code, 0, "what comes after is not");
  await assertRejects(() =>
    runInCall(a.context, () => runtime.run("no-such", [], { timeoutMs: 1 }))
  );
});
