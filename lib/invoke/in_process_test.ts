import { makeClient } from "../../scripts/client/client.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CniError } from "../types/error.ts";
import { execPlugin } from "./exec.ts";
import { type InProcessCall, lookupInProcess, registerInProcess } from "./in_process.ts";

/** Runs a test with a directory in which `linked` is this executable, and `other` is another. */
async function withLinks(test: (directory: string) => Promise<void> | void): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    Deno.symlinkSync(Deno.execPath(), `${directory}/linked`);
    Deno.symlinkSync("/bin/sh", `${directory}/other`);
    await test(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function register(name: string, output: { stdout: string; exitCode: number }) {
  const calls: { stdin: unknown; env: InProcessCall["env"] }[] = [];
  registerInProcess(name, ({ env, stdin }) => {
    calls.push({ env, stdin: stdin() });
    return Promise.resolve(output);
  });
  return calls;
}

Deno.test("lookupInProcess() knows a registered plugin only where the file is this executable", async () => {
  register("linked", { stdout: "", exitCode: 0 });
  register("other", { stdout: "", exitCode: 0 });
  await withLinks((directory) => {
    assertEquals(typeof lookupInProcess(`${directory}/linked`), "function");
    assertEquals(lookupInProcess(`${directory}/other`), undefined);
    assertEquals(lookupInProcess(`${directory}/missing`), undefined);
    Deno.renameSync(`${directory}/linked`, `${directory}/unregistered`);
    assertEquals(lookupInProcess(`${directory}/unregistered`), undefined);
  });
});

Deno.test("lookupInProcess() takes a client for the executable that it stands for", async () => {
  register("client", { stdout: "", exitCode: 0 });
  await withLinks(async (directory) => {
    const client = `${directory}/client`;
    const write = (executable?: string) =>
      Deno.writeFileSync(client, makeClient({ elfMachine: 62, executable }).file);
    write(Deno.execPath());
    assertEquals(typeof lookupInProcess(client), "function");
    // A file that was changed within the last second is read every time.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    for (const _ of ["read", "known"]) assertEquals(typeof lookupInProcess(client), "function");
    const { mtime } = Deno.statSync(client);
    write("/bin/sh");
    Deno.utimeSync(client, mtime!, mtime!);
    assertEquals(lookupInProcess(client), undefined);
    write();
    assertEquals(lookupInProcess(client), undefined, "there is nothing beside it");
    Deno.symlinkSync(Deno.execPath(), `${directory}/cni`);
    assertEquals(typeof lookupInProcess(client), "function");
    Deno.mkdirSync(`${directory}/links`);
    Deno.symlinkSync("../client", `${directory}/links/client`);
    assertEquals(typeof lookupInProcess(`${directory}/links/client`), "function", "by a link");
    Deno.symlinkSync("/bin/sh", `${directory}/links/cni`);
    assertEquals(lookupInProcess(`${directory}/links/client`), undefined, "the link's own first");
    Deno.writeTextFileSync(client, "#!/bin/sh\n");
    assertEquals(lookupInProcess(client), undefined);
  });
});

Deno.test("execPlugin() calls a plugin that is this executable as a function", async () => {
  await withLinks(async (directory) => {
    const file = `${directory}/linked`;
    const calls = register("linked", { stdout: '{"ips": []}', exitCode: 0 });
    assertEquals(await execPlugin(file, { stdin: "{}", env: { A: "1" } }), '{"ips": []}');
    assertEquals(calls, [{ stdin: "{}", env: { A: "1" } }]);

    register("linked", { stdout: '{"code": 11, "msg": "later"}', exitCode: 1 });
    const call = () => execPlugin(file, { stdin: "{}", env: {} });
    assertEquals((await assertRejects(call, CniError)).code, 11);
  });
});

Deno.test("execPlugin() starts a process for what may have to be killed", async () => {
  await withLinks(async (directory) => {
    const calls = register("linked", { stdout: "in process", exitCode: 0 });
    // Deno without arguments reads a program from standard input.
    const limits = { timeoutMs: 60_000 };
    const stdin = "console.log('a process')";
    const env = { ...Deno.env.toObject(), NO_COLOR: "1" };
    const stdout = await execPlugin(`${directory}/linked`, { stdin, env, ...limits });
    assertStringIncludes(stdout, "a process");
    assertEquals(calls, []);
  });
});
