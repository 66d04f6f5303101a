/** A system bus that answers as it is told to, on a thread of its own. */
import { messageLength } from "../../../lib/dbus/message.ts";

/** Who has said nothing for so long waits for the rest of a message. */
const SILENCE_MS = 100;

/** The n-th message of every connection is answered by the n-th list; then the bus hangs up. */
let answers: readonly Uint8Array<ArrayBuffer>[] = [];

/** The global scope of a worker, of which TypeScript knows nothing here. */
const scope = globalThis as unknown as {
  onmessage(event: { data: string | readonly Uint8Array<ArrayBuffer>[] }): void;
  postMessage(text: string): void;
};

scope.onmessage = ({ data }) => {
  if (typeof data === "string") serve(Deno.listen({ transport: "unix", path: data }));
  else answers = data;
  scope.postMessage("done");
};

async function serve(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    answer(connection as Deno.Conn).catch(() => {}).finally(() => {
      try {
        connection.close();
      } catch {
        // It was closed for its silence.
      }
    });
  }
}

async function answer(connection: Deno.Conn): Promise<void> {
  const own = answers;
  const chunk = new Uint8Array(65536);
  let received = new Uint8Array();
  let isOpen = false;
  for (let n = 0; n < own.length;) {
    const timer = setTimeout(() => connection.close(), SILENCE_MS);
    const length = await connection.read(chunk);
    clearTimeout(timer);
    if (length === null) return;
    received = Uint8Array.of(...received, ...chunk.subarray(0, length));
    if (!isOpen) {
      const text = new TextDecoder().decode(received);
      if (!text.includes("BEGIN\r\n")) {
        if (text.endsWith("\r\n")) await connection.write(new TextEncoder().encode("OK 1234\r\n"));
        continue;
      }
      isOpen = true;
      received = received.slice(text.indexOf("BEGIN\r\n") + "BEGIN\r\n".length);
    }
    for (let size = messageLength(received); size && received.length >= size && n < own.length;) {
      received = received.slice(size);
      await connection.write(own[n++]!);
      size = messageLength(received);
    }
  }
}
