/**
 * A plugin whose configuration says, step by step, what a handler does: for tests of what is around
 * a handler. Its text is the file of a plugin in a project of the test's own.
 *
 * Steps: `note` appends the process and the command to a file; `make` writes a file, which the undo
 * removes; `wait` for a file to be there; take a `lock`; `run` a program by its name; `delegate` to a
 * plugin, whose steps are `inner`; `undelegate`: the undo calls it, too; `warn`, `log`; `write` a file
 * with mode 0666; `throw`, `reject` what nobody awaits, `big`: so many bytes of result.
 */
export const PROBE_PLUGIN = `
import { FileLock } from "../../../lib/host/lock.ts";
import { delegateAdd, delegateDel } from "../../../lib/invoke/delegate.ts";
import { untilEnded, warn } from "../../../lib/runtime/caller.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { sleep } from "../../../lib/runtime/sleep.ts";
import { definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";

const has = (path) => { try { runtime.files.stat(path); return true; } catch { return false; } };

const STEPS = {
  note(path) {
    const text = has(path) ? runtime.files.readText(path) : "";
    runtime.files.write(path, text + runtime.pid + "\\n");
  },
  make: (path, { undo }) => undo.step(path, () => runtime.files.write(path, ""), () => runtime.files.remove(path)),
  async wait(path) { while (!has(path)) await sleep(5); },
  async lock(path) { using _lock = await FileLock.acquire(path); },
  async run(program) {
    const output = await runtime.run(program, [], { timeoutMs: 60000, abort: untilEnded() });
    warn(new TextDecoder().decode(output.stdout) || output.signal + "\\n");
  },
  async delegate(type, { raw, env }) {
    await delegateAdd(type, { stdin: JSON.stringify({ ...raw, add: raw.inner }), env });
  },
  async undelegate(type, { raw, env, undo }) {
    const inner = (command) => ({ stdin: JSON.stringify({ ...raw, [command]: raw.inner }), env });
    await undo.step(type, () => delegateAdd(type, inner("add")), () => delegateDel(type, inner("del")));
  },
  warn: (text) => warn(text + "\\n"),
  log(text) { console.log("%s:", text, { a: [1] }); },
  write: (path) => runtime.files.write(path, "", { mode: 0o666 }),
  throw: (text) => { throw new TypeError(text); },
  async reject(text) { Promise.reject(new Error(text)); await sleep(500); },
  big: (size, call) => { call.size = size; },
};

async function follow(call, command) {
  const state = { ...call };
  for (const [name, value] of call.raw[command] ?? []) await STEPS[name](value, state);
  return { dns: { domain: "served by " + runtime.pid, search: state.size ? ["x".repeat(state.size)] : undefined } };
}

const probe = definePlugin({
  name: "probe",
  add: (call) => follow(call, "add"),
  del: async (call) => void await follow(call, "del"),
  check: async (call) => void await follow(call, "check"),
  status() {},
  gc: async (call) => void await follow(call, "gc"),
});
export default probe;
if (import.meta.main) await runPlugin(probe);
`;
