/**
 * The resident server beside a test, where the executables under test are its clients.
 *
 * @module
 */
import { executableOf } from "../../lib/server/client_file.ts";
import { BackgroundProcess } from "./process.ts";

/** What the server's log says when its code has failed: never, whatever a test does. */
const DEFECT = /a call failed|a connection failed|nobody awaited/;

/** Starts the server in the sandbox, if the plugins in a directory are clients. */
export async function startResident(bin: string | undefined): Promise<AsyncDisposable> {
  const executable = bin && residentExecutable(bin);
  if (!executable) return { [Symbol.asyncDispose]: async () => {} };
  const server = new BackgroundProcess(executable, ["serve"]);
  await server.until(() => server.output.includes("ready at"), "the resident server did not start");
  return {
    async [Symbol.asyncDispose]() {
      const status = await server.stop("SIGTERM");
      if (status === 0 && !DEFECT.test(server.output)) return;
      throw new Error(`the resident server ended with ${status}:\n${server.output}`);
    },
  };
}

/** The executable that the clients in a directory stand for; undefined where there are none. */
export function residentExecutable(bin: string): string | undefined {
  const path = `${bin}/loopback`;
  try {
    return Deno.statSync(path).size > 65536
      ? undefined
      : executableOf(path, Deno.readFileSync(path));
  } catch {
    return undefined;
  }
}
