import { assertEquals, assertThrows } from "@std/assert";
import { MACHINES, makeClient } from "../../scripts/client/client.ts";
import { CLIENT_LIMIT, executableOf, writeExecutable } from "./client_file.ts";

Deno.test("executableOf() tells a client, and the executable that it stands for", () => {
  for (const { elfMachine } of MACHINES) {
    const { file } = makeClient({ elfMachine });
    assertEquals(executableOf("/opt/cni/bin/bridge", file), "/opt/cni/bin/cni");
    assertEquals(executableOf("bridge", file), "cni");
  }
});

Deno.test("executableOf() goes by the path that was written in, if that is an executable's", () => {
  const { file } = makeClient({ elfMachine: 62 });
  const directory = Deno.makeTempDirSync({ prefix: "client-" });
  const path = `${directory}/größer`;
  try {
    writeExecutable(file, path);
    const found = () => executableOf("/opt/cni/bin/bridge", file);
    assertEquals(found(), "/opt/cni/bin/cni");
    Deno.writeTextFileSync(path, "", { mode: 0o755 });
    assertEquals(found(), path);
    Deno.chmodSync(path, 0o644);
    assertEquals(found(), "/opt/cni/bin/cni");
    writeExecutable(file, "/bin/sh");
    assertEquals(found(), "/bin/sh");
    writeExecutable(file, "/bin");
    assertEquals(found(), "/opt/cni/bin/cni");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("executableOf() takes nothing else for a client", () => {
  const { file } = makeClient({ elfMachine: 62 });
  assertEquals(executableOf("/bin/x", new Uint8Array(0)), undefined);
  assertEquals(executableOf("/bin/x", file.subarray(0, 240)), undefined);
  assertEquals(executableOf("/bin/x", new Uint8Array(CLIENT_LIMIT).fill(0xff)), undefined);
  const longer = new Uint8Array(CLIENT_LIMIT + 1);
  longer.set(file);
  assertEquals(executableOf("/bin/x", longer), undefined);
});

Deno.test("writeExecutable() refuses what a client could not execute", () => {
  const { file } = makeClient({ elfMachine: 62 });
  for (const path of ["", "cni", "/a\0b", `/${"x".repeat(255)}`]) {
    assertThrows(() => writeExecutable(file, path), RangeError, "absolute path");
  }
});
