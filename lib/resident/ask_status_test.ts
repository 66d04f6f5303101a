import { assertEquals, assertRejects } from "@std/assert";
import { CniError } from "../types/error.ts";
import { askStatus } from "./ask_status.ts";

/** Asks a server that reads the question, says `answer`, and closes the connection. */
async function ask(answer: string): Promise<unknown> {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  try {
    using listener = Deno.listen({ transport: "unix", path });
    const served = listener.accept().then(async (connection) => {
      await connection.read(new Uint8Array(100));
      if (answer !== "") await connection.write(new TextEncoder().encode(answer));
      connection.close();
    });
    const [status] = await Promise.all([askStatus(path), served]);
    return status;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("askStatus() reads the status of a server, and says who else has answered", async () => {
  assertEquals(await ask('{"pid":7}') as unknown, { pid: 7 });
  for (const answer of ["", '{"pid":', "HTTP/1.1 400 Bad Request"]) {
    const error = await assertRejects(() => ask(answer), CniError);
    assertEquals(error.code, 11);
    const what = answer === "" ? "closed the connection without an answer" : "sent no status";
    assertEquals(error.message.includes(what), true, error.message);
  }
});

Deno.test("askStatus() says so where no server listens", async () => {
  for (const path of ["/nowhere/socket", "/proc/self/comm"]) {
    const error = await assertRejects(
      () => askStatus(path),
      CniError,
      "no resident server listens",
    );
    assertEquals(error.code, 11);
  }
});
