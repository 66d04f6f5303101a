/**
 * The resident server beside a test, where the executables under test are its clients.
 *
 * @module
 */
import { askStatus } from "../../lib/resident/ask_status.ts";
import { executableOf } from "../../lib/server/client_file.ts";
import { SOCKET_PATH } from "../../lib/server/protocol.ts";
import { BackgroundProcess } from "./process.ts";

/** What the server's log says when its code has failed: never, whatever a test does. */
const DEFECT = /a call failed|a connection failed|nobody awaited/;

/**
 * Why a server may decline a call of a test. Any other reason fails the test: the client then executes
 * the executable, and nothing that the test looks at would tell.
 */
const MAY_DECLINE: readonly RegExp[] = [
  // Tests start plugins in containers, behind other mounts, and with less than root has.
  /^another (network|mount|user|PID) namespace$/,
  /^another capability set$/,
  // Tests kill clients.
  /^process that is gone$/,
  // The descriptor is the caller's.
  /^call with CNI_TRACE_FD$/,
  // A plugin that is started by hand: the dhcp daemon, and what tells its version.
  /^call without CNI_COMMAND$/,
  // Paths that are another file to each process: what DEL bears with as a namespace.
  /^(CNI_NETNS|CNI_PATH|CNI_LOG_FILE) below \/proc\/self or \/dev$/,
];

/** Starts the server in the sandbox, if the plugins in a directory are clients. */
export async function startResident(bin: string | undefined): Promise<AsyncDisposable> {
  const executable = bin && residentExecutable(bin);
  if (!executable) return { [Symbol.asyncDispose]: async () => {} };
  const server = new BackgroundProcess(executable, ["serve"]);
  await server.until(() => server.output.includes("ready at"), "the resident server did not start");
  return {
    async [Symbol.asyncDispose]() {
      let useless: string | undefined;
      try {
        useless = await whyUseless(bin);
      } catch (error) {
        useless = `its status could not be read: ${error}`;
      }
      const status = await server.stop("SIGTERM");
      const isSound = status === 0 && !DEFECT.test(server.output);
      if (!isSound) throw new Error(`the resident server ended with ${status}:\n${server.output}`);
      if (useless !== undefined) throw new Error(`the resident server: ${useless}`);
    },
  };
}

/** Tells what a server did not serve that it should have; undefined where there is nothing. */
async function whyUseless(bin: string): Promise<string | undefined> {
  const before = await askStatus(SOCKET_PATH);
  // A client that finds no server declines nothing: one call must be seen to get there.
  const { stderr } = await new Deno.Command(`${bin}/loopback`, {
    env: { CNI_COMMAND: "VERSION" },
    stdin: "null",
  }).output();
  const { served, declined } = await askStatus(SOCKET_PATH);
  const reasons = Object.entries(declined)
    .filter(([why]) => !MAY_DECLINE.some((reason) => reason.test(why)));
  if (reasons.length > 0) {
    return `declined ${reasons.map(([why, count]) => `${count} calls, ${why}`).join("; ")}`;
  }
  if (served > before.served) return undefined;
  const seen = JSON.stringify(declined);
  return `a client's call was not served: ${seen} ${new TextDecoder().decode(stderr)}`;
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
