/**
 * A client of the resident server is killed as the server has made the k-th call of an ADD that
 * changes something, for every k, by a caller that waits for the end of the output. That comes, the
 * DEL that follows succeeds, and the host is as it was.
 *
 * @module
 */
import { askStatus } from "../../lib/resident/ask_status.ts";
import { SOCKET_PATH } from "../../lib/server/protocol.ts";
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { type CallOptions, expectSuccess, NO_HANG } from "../support/faults/runtime.ts";
import { expectNone, Scene } from "../support/faults/scene.ts";
import type { Snapshot } from "../support/faults/snapshot.ts";
import {
  attach,
  type CallPoint,
  changingCalls,
  countCalls,
  stopAt,
  STOPPED,
} from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { startResident } from "../support/resident.ts";

/** The status of what SIGKILL has ended, as a shell gives it. */
const KILLED = 128 + 9;

const TRACE = "/run/test/strace";

/**
 * A shell script that runs a client, and kills it when the server is stopped, which then goes on. A
 * client that ends before that ends as it does.
 */
const KILL_CLIENT = `exec 3<&0
"$2" <&3 &
client=$!
exec 3<&-
while [ -e /proc/$client/exe ] && ! grep -q '^${STOPPED}' ${TRACE}; do sleep 0.005; done
kill -KILL $client
kill -CONT $1
wait $client
`;

/** How to call plugins whose clients are killed when the server of this PID is stopped. */
function killedClient(server: number): CallOptions {
  const script = ["/bin/sh", "-c", KILL_CLIENT, "client", `${server}`];
  return { beforeAll: [...NO_HANG.beforeAll ?? [], ...script], mayFail: true };
}

/**
 * Calls a plugin that waits for its configuration until it is killed. While it does, a server does
 * other calls with breaks, in which it sees that a client is gone.
 */
async function waitingCall({ residentBin }: FaultRoom): Promise<BackgroundProcess> {
  const script = 'mkfifo "$1" && exec "$0" <>"$1"'; // Open for writing, too, it never ends.
  const call = new BackgroundProcess(
    "/bin/sh",
    ["-c", script, `${residentBin}/loopback`, "/run/test/endless"],
    { env: { CNI_COMMAND: "STATUS", CNI_PATH: residentBin } },
  );
  await eventually(
    async () => (await askStatus(SOCKET_PATH)).inFlight === 1,
    () => `the call that waits: ${call.output}`,
  );
  return call;
}

function clientCase(network: FaultNetwork, beside: "alone" | "another"): FaultCase {
  let points: CallPoint[] = [];
  let clean: Snapshot = new Map();
  /** A host with a server, which is doing another call or none. */
  const prepared = async (room: FaultRoom) => {
    await using stack = new AsyncDisposableStack();
    stack.use(await startResident(room.residentBin));
    if (beside === "another") stack.use(await waitingCall(room));
    const { pid } = await askStatus(SOCKET_PATH);
    const scene = new Scene({ ...room, bin: room.residentBin }, network, { isWarm: true });
    return { pid, scene, stack: stack.move() };
  };
  return {
    id: `${network.id}/ADD/${beside}`,
    needs: ["strace", ...network.needs ?? []],
    async steps(room) {
      const { pid, scene, stack } = await prepared(room);
      await using _stack = stack;
      await using strace = await attach(pid, countCalls(TRACE));
      expectSuccess("ADD", scene.runtime.add(scene.attachment));
      await strace.stop();
      points = changingCalls(TRACE);
      expectSuccess("DEL", scene.recover("DEL"));
      clean = scene.snapshot();
      return points.length;
    },
    async run(room) {
      const point = points[room.step - 1]!;
      const { pid, scene, stack } = await prepared(room);
      await using _stack = stack;
      await using strace = await attach(pid, stopAt(point, TRACE));
      const reply = scene.runtime.add(scene.attachment, killedClient(pid));
      const { code, stdout, json } = reply;
      const isKilled = code === KILLED;
      // A server that has come so far answers before it looks whether anybody waits.
      if (!isKilled || stdout !== "" && json === undefined) expectSuccess("ADD", reply);
      room.count(isKilled ? "client killed" : "not reached");
      const recover = () => expectSuccess("DEL afterwards", scene.recover("DEL", NO_HANG));
      // At once: what the ADD had done may be being taken back.
      if (isKilled) recover();
      await strace.stop();
      // It may have been stopped when the client had ended.
      Deno.kill(pid, "SIGCONT");
      if (!isKilled) recover();
      expectNone(`the client killed at ${point.text}`, scene.differences(clean));
    },
  };
}

export const suite: FaultSuite = {
  title: "a client of the resident server killed at every step of an ADD, and DEL leaves nothing",
  share: 1,
  cases: NETWORKS.flatMap((network) => [
    clientCase(network, "alone"),
    clientCase(network, "another"),
  ]),
};
