import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { isFile } from "../../scripts/support/files.ts";
import { NoopPlugins } from "../../tests/support/noop_plugins.ts";
import { CniError } from "../types/error.ts";
import { execPlugin } from "./exec.ts";

const ENV = { PATH: "/usr/bin:/bin", CNI_COMMAND: "ADD" };

async function errorOf(plugins: NoopPlugins, limits = {}): Promise<CniError> {
  const call = execPlugin(`${plugins.path}/a`, { stdin: "{}", env: ENV, ...limits });
  return await assertRejects(() => call, CniError);
}

Deno.test("execPlugin() gives the plugin its configuration and exactly its environment", async () => {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "ADD", { stdout: '{"ips": []}' });
  const env = { ...ENV, CNI_ARGS: "K=V" };
  const stdin = '{"big": 12345678901234567890}';
  assertEquals(await execPlugin(`${plugins.path}/a`, { stdin, env }), '{"ips": []}');
  const [call] = plugins.calls();
  assertEquals(call!.text, stdin);
  assertEquals(call!.env.CNI_ARGS, "K=V");
  assertEquals(call!.env.HOME, undefined);
});

Deno.test("execPlugin() relays the plugin's own error object, code and details included", async () => {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "ADD", { stdout: { CODE: 11, msg: "busy", details: "more" }, exit: 1 });
  const { code, message, details } = await errorOf(plugins);
  assertEquals({ code, message, details }, { code: 11, message: "busy", details: "more" });
});

Deno.test("execPlugin() says how a plugin ended that printed no error object", async () => {
  using plugins = new NoopPlugins("a");
  const stderr = Array.from({ length: 40 }, (_, index) => `line ${index + 1}.`).join("\n");
  plugins.reply("a", "ADD", { stdout: "panic!", stderr, exit: 2 });
  const failed = await errorOf(plugins);
  assertEquals(failed.code, 999);
  assertStringIncludes(failed.message, 'plugin "a" failed (exit status 2)');
  assertStringIncludes(failed.message, '"panic!"');
  assertStringIncludes(failed.message, "line 40.");
  assert(!failed.message.includes("line 20."), "only the last lines are quoted");

  plugins.reply("a", "ADD", { script: "kill -SEGV $$" });
  assertStringIncludes((await errorOf(plugins)).message, "killed by SIGSEGV");
});

Deno.test("execPlugin() kills a plugin that takes too long or is not wanted any more", async () => {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "ADD", { script: "exec sleep 60" });
  assertStringIncludes(
    (await errorOf(plugins, { timeoutMs: 200 })).message,
    'plugin "a" did not finish within 200 ms and was killed',
  );
  const abort = AbortSignal.abort(new Error("enough"));
  assertEquals(
    (await errorOf(plugins, { abort })).message,
    'plugin "a" was not started: enough',
  );
  const later = new AbortController();
  const interrupted = errorOf(plugins, { abort: later.signal });
  setTimeout(() => later.abort(new Error("shutting down")), 50);
  assertStringIncludes((await interrupted).message, "was interrupted (shutting down)");
});

Deno.test("execPlugin() does not wait for what a killed plugin left running", async () => {
  using plugins = new NoopPlugins("a");
  const pid = `${plugins.directory}/pid`;
  plugins.reply("a", "ADD", {
    script: `sleep 60 & echo $! > ${pid}.new; mv ${pid}.new ${pid}; wait`,
  });
  const enough = new AbortController();
  const killed = errorOf(plugins, { abort: enough.signal });
  for (let i = 0; i < 1000 && !isFile(pid); i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  enough.abort(new Error("enough"));
  assertEquals((await killed).code, 999);
  const sleeper = Number(Deno.readTextFileSync(pid));
  assert(Deno.statSync(`/proc/${sleeper}`).isDirectory, "it is still there");
  Deno.kill(sleeper, "SIGKILL");
});

Deno.test("execPlugin() waits for a plugin that is just being written", async () => {
  using plugins = new NoopPlugins("a");
  const file = `${plugins.path}/a`;
  const writer = Deno.openSync(file, { write: true });
  const error = await errorOf(plugins, { timeoutMs: 50 });
  assertEquals(error.code, 11);
  assertStringIncludes(error.message, "ETXTBSY");
  const call = execPlugin(file, { stdin: "{}", env: ENV });
  setTimeout(() => writer.close(), 50);
  assertEquals(await call, "{}");
});

Deno.test("execPlugin() says why a plugin cannot be started", async () => {
  using plugins = new NoopPlugins();
  const reasonOf = async (content: string, mode: number) => {
    const file = `${plugins.path}/a`;
    Deno.writeTextFileSync(file, content);
    Deno.chmodSync(file, mode);
    const error = await errorOf(plugins);
    assertEquals(error.code, 5);
    return error.message;
  };
  assertStringIncludes(await reasonOf("#!/bin/sh\n", 0o644), "EACCES, it may not be executed");
  assertStringIncludes(await reasonOf("#!/no/such\n", 0o755), "ENOENT, the interpreter");
});

Deno.test("execPlugin() copies to stderr what a successful plugin wrote there", async () => {
  using plugins = new NoopPlugins("a");
  plugins.reply("a", "ADD", { stdout: {}, stderr: "deprecated\n" });
  const module = JSON.stringify(new URL("exec.ts", import.meta.url).href);
  const call = JSON.stringify({ stdin: "{}", env: ENV });
  const script = `import { execPlugin } from ${module};
    await execPlugin(${JSON.stringify(`${plugins.path}/a`)}, ${call});`;
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", script],
  }).output();
  assertEquals(new TextDecoder().decode(stderr), "deprecated\n");
});
