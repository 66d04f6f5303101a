/**
 * A server that says what a test tells it to, for the client of the resident server.
 *
 * @module
 */
import { MAGIC } from "../../lib/server/protocol.ts";

/** What a client sent first. */
export interface ClientRequest {
  executable: string;
  /** Its arguments and environment. */
  texts: string[];
}

/** One connection, as the server sees it. */
export class Conversation {
  readonly #connection: Deno.Conn;
  #pending = new Uint8Array(0);

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Reads the request to its end. */
  async request(): Promise<ClientRequest> {
    const header = new DataView((await this.#read(8)).buffer);
    if (header.getUint32(0, true) !== MAGIC) throw new Error("this is no request");
    const body = new TextDecoder().decode(await this.#read(header.getUint32(4, true)));
    const [executable, ...texts] = body.split("\0").slice(0, -1);
    return { executable: executable!, texts };
  }

  /** The next byte; undefined at the end. */
  async byte(): Promise<number | undefined> {
    try {
      return (await this.#read(1))[0];
    } catch {
      return undefined;
    }
  }

  async say(...bytes: number[]): Promise<void> {
    await this.#connection.write(Uint8Array.from(bytes));
  }

  close(): void {
    this.#connection.close();
  }

  async #read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#pending.length < count) {
      const chunk = new Uint8Array(65536);
      const length = await this.#connection.read(chunk);
      if (length === null) throw new Error("the client has closed the connection");
      const all = new Uint8Array(this.#pending.length + length);
      all.set(this.#pending);
      all.set(chunk.subarray(0, length), this.#pending.length);
      this.#pending = all;
    }
    const read = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return read;
  }
}
