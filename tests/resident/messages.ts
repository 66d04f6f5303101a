/**
 * The resident server killed or stopped before and after each message of its protocol: the handler
 * has run at most once, and standard output is one JSON document, or nothing after a failure.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { ACCEPT_TIMEOUT_S } from "../../lib/server/protocol.ts";
import { attach, isStopped, killAt, stopAt } from "../support/faults/strace.ts";
import { eventually } from "../support/process.ts";
import {
  appears,
  exists,
  type ProbeReply,
  type ResidentProject,
} from "../support/resident_project.ts";

/** The system calls of the server's main thread that receive and send an ADD's messages. */
const MESSAGES = {
  request: { syscall: "recvfrom", nth: 1 },
  accepted: { syscall: "sendto", nth: 1 },
  go: { syscall: "recvmsg", nth: 1 },
  answering: { syscall: "sendto", nth: 2 },
  status: { syscall: "sendto", nth: 3 },
  /** That of a DEL, which has nothing to answer. */
  "status of DEL": { syscall: "sendto", nth: 2 },
} as const;

/** What happens to the server around a message. */
type Fate =
  | "killed before"
  /** Stopped after it, and killed then. */
  | "killed after"
  /** Stopped after it, and continued before the client loses patience. */
  | "slow after"
  /** Stopped after it, and continued when the client has ended. */
  | "stopped after";

/** What comes of the call. */
const OUTCOMES = {
  "the executable does it": { code: 0, says: "result", byServer: 0, byExecutable: 1 },
  "the server does it": { code: 0, says: "result", byServer: 1, byExecutable: 0 },
  "it fails before the handler": { code: 1, says: "11", byServer: 0, byExecutable: 0 },
  "it fails after the handler": { code: 1, says: "11", byServer: 1, byExecutable: 0 },
  "it fails with no answer": { code: 1, says: "nothing", byServer: 1, byExecutable: 0 },
  "it fails with the result": { code: 1, says: "result", byServer: 1, byExecutable: 0 },
} as const;

const ROWS: readonly (readonly [keyof typeof MESSAGES, Fate, keyof typeof OUTCOMES])[] = [
  ["request", "killed before", "the executable does it"],
  ["request", "stopped after", "the executable does it"],
  ["request", "slow after", "the server does it"],
  ["accepted", "killed before", "the executable does it"],
  ["accepted", "slow after", "the server does it"],
  // From here on the call is the server's.
  ["go", "killed before", "it fails before the handler"],
  ["go", "killed after", "it fails before the handler"],
  ["go", "slow after", "the server does it"],
  ["answering", "killed before", "it fails after the handler"],
  ["answering", "killed after", "it fails with no answer"],
  ["answering", "slow after", "the server does it"],
  ["status", "killed before", "it fails with the result"],
  ["status", "killed after", "the server does it"],
  ["status", "slow after", "the server does it"],
  ["status of DEL", "killed before", "it fails after the handler"],
];

export const MESSAGE_CASES: Readonly<
  Record<string, (project: ResidentProject) => Promise<void>>
> = {
  async "killed or stopped at any message, it has run a handler at most once, with one document"(
    project,
  ) {
    const directory = project.directory();
    const [note, trace] = [`${directory}/note`, `${directory}/trace`];
    for (const [message, fate, outcome] of ROWS) {
      project.writeClient(fate === "stopped after" ? ACCEPT_TIMEOUT_S : undefined);
      await using server = await project.start();
      const point = MESSAGES[message];
      const isStop = fate !== "killed before";
      await using _strace = await attach(
        server.pid,
        isStop ? stopAt(point, trace) : killAt(point),
      );
      const command = message === "status of DEL" ? "DEL" : "ADD";
      const call = project.begin({ command, steps: { [command.toLowerCase()]: [["note", note]] } });
      if (isStop) {
        await eventually(() => isStopped(trace), () => `the server's stop at ${message}`);
        if (fate === "stopped after") await call.reply;
        Deno.kill(server.pid, fate === "killed after" ? "SIGKILL" : "SIGCONT");
      }
      const reply = await call.reply;
      // A server that lives on does by its end what it had still to do.
      assertEquals(await server.stop(), fate.startsWith("killed") ? 137 : 0);
      assertEquals(
        { at: message, fate, ...cameOf(reply, note, server.pid) },
        { at: message, fate, ...OUTCOMES[outcome] },
      );
    }
    project.writeClient();
  },

  async "killed once it has accepted a call that the client has not handed over, it loses none"(
    project,
  ) {
    const directory = project.directory();
    const [note, trace] = [`${directory}/note`, `${directory}/trace`];
    await using server = await project.start();
    const [strace, ...words] = stopAt({ syscall: "read", nth: 1 }, trace);
    const { process, reply } = project.begin({
      steps: { add: [["note", note]] },
      before: [strace!, "-D", ...words], // The client is what is started, and strace its grandchild.
    });
    await appears(trace);
    await eventually(() => isStopped(trace), () => "the client's stop");
    assertMatch(Deno.readTextFileSync(trace), /^read\(\d+, "M", 1\)/);
    await server.stop("SIGKILL");
    process.kill("SIGCONT");
    assertEquals(
      cameOf(await reply, note, server.pid),
      OUTCOMES["the executable does it"],
    );
  },
};

/** What came of a call whose handler notes its process; the notes are removed. */
function cameOf({ code, stdout }: ProbeReply, note: string, server: number) {
  const runs: number[] = [];
  if (exists(note)) {
    runs.push(...Deno.readTextFileSync(note).trimEnd().split("\n").map(Number));
    Deno.removeSync(note);
  }
  const byServer = runs.filter((pid) => pid === server).length;
  const document = stdout === "" ? undefined : JSON.parse(stdout);
  const says = document === undefined ? "nothing" : document.dns ? "result" : `${document.code}`;
  return { code, says, byServer, byExecutable: runs.length - byServer };
}
