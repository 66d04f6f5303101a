/**
 * The resident server is killed as it makes the k-th call that changes something, in the midst of a
 * client's call. The client says so, or does it by itself; then DEL, or GC without the attachment,
 * must leave the host as it was. Another attachment lives, which nothing may happen to.
 *
 * @module
 */
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { type CallOptions, expectSuccess, NO_HANG } from "../support/faults/runtime.ts";
import { expectNone, type Remedy, Scene } from "../support/faults/scene.ts";
import type { Snapshot } from "../support/faults/snapshot.ts";
import { type CallPoint, changingCalls, countCalls, killAt } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import type { PluginReply } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { residentExecutable } from "../support/resident.ts";

/** Starts the server behind the words that strace is called with. */
async function startServer(
  { residentBin }: FaultRoom,
  [program, ...words]: readonly string[],
): Promise<BackgroundProcess> {
  const executable = residentExecutable(residentBin);
  if (executable === undefined) throw new Error(`${residentBin} has no clients`);
  // -D: the server is what is started, and told to end, and strace its grandchild.
  const server = new BackgroundProcess(program!, ["-D", ...words, executable, "serve"]);
  await server.until(() => server.output.includes("ready at"), "the resident server");
  return server;
}

/**
 * Undefined where the server was killed before its time: what it does has no strict order. The call
 * then fails with whatever was printed, as {@link serverCase} says.
 */
async function unlessKilledEarly<T>(
  server: BackgroundProcess,
  prepare: () => T,
): Promise<T | undefined> {
  try {
    return prepare();
  } catch (error) {
    if (await isKilled(server)) return undefined;
    throw error;
  }
}

/** Ends the server, and tells whether it had been killed. */
async function isKilled(server: BackgroundProcess): Promise<boolean> {
  return await server.stop() === 137;
}

type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";

/** In which call the server is killed, and what the runtime does afterwards. */
const PLANS: readonly (readonly [Command, Remedy])[] = [
  ["ADD", "DEL"],
  ["ADD", "GC"],
  ["DEL", "DEL"],
  ["DEL", "GC"],
  ["CHECK", "DEL"],
  ["GC", "DEL"],
  ["GC", "GC"],
  // Its attempt to write is of no attachment: GC collects what is left of it.
  ["STATUS", "GC"],
];

/** The call in the midst of which the server is killed. */
function call(command: Command, { runtime, attachment, living }: Scene): PluginReply {
  const how: CallOptions = { ...NO_HANG, mayFail: true };
  switch (command) {
    case "ADD":
      return runtime.add(attachment, how);
    case "DEL":
      return runtime.del(attachment, how);
    case "CHECK":
      return runtime.check(attachment, how);
    case "GC":
      return runtime.gc(living, how);
    case "STATUS":
      return runtime.status(how);
  }
}

function serverCase(
  network: FaultNetwork,
  [command, remedy]: readonly [Command, Remedy],
): FaultCase {
  let points: CallPoint[] = [];
  let clean: Snapshot = new Map();
  /** The host before the call in question, which the server has served so far. */
  const prepared = (room: FaultRoom) => {
    const inServer = { ...room, bin: room.residentBin };
    const scene = new Scene(inServer, network, { isWarm: true });
    if (command !== "ADD") expectSuccess("ADD", scene.runtime.add(scene.attachment));
    return scene;
  };
  return {
    id: `${network.id}/${command}/${remedy}`,
    needs: ["strace", ...network.needs ?? []],
    async steps(room) {
      const file = "/run/test/strace";
      await using server = await startServer(room, countCalls(file));
      const scene = prepared(room);
      const before = changingCalls(file).length;
      expectSuccess(command, call(command, scene));
      points = changingCalls(file).slice(before);
      expectSuccess(remedy, scene.recover(remedy));
      await server.stop();
      clean = scene.snapshot();
      return points.length;
    },
    async run(room) {
      const point = points[room.step - 1]!;
      await using server = await startServer(room, killAt(point));
      const scene = await unlessKilledEarly(server, () => prepared(room));
      if (!scene) return room.count("server killed too early");
      const { code, stdout, stderr, json } = call(command, scene);
      // A server may end after it has said that it answers: before it does, or after. That is a
      // failure, with whatever was printed.
      if (code > 1 || code === 1 && stdout !== "" && json === undefined) {
        throw new Error(`${command} ended with ${code}: ${stdout}${stderr}`);
      }
      const recover = () => scene.recover(remedy, { ...NO_HANG, mayFail: true });
      // With other timing the point is the remedy's, and a runtime makes that again.
      const first = recover();
      const isAgain = first.code !== 0 && await isKilled(server);
      expectSuccess(`${remedy} afterwards`, isAgain ? recover() : first);
      // What came of the point: with other timing it is another call's.
      room.count(await isKilled(server) ? "server killed" : "not reached");
      const left = scene.differences(clean, { container: remedy === "GC" }).filter((line) =>
        !/^(left|gone) (process|file \/run\/cni\/cni\.sock)/.test(line)
      );
      expectNone(`the server killed at ${point.text}`, left);
    },
  };
}

export const suite: FaultSuite = {
  title: "the resident server killed at every step of a call",
  share: 1,
  cases: NETWORKS.flatMap((network) => PLANS.map((plan) => serverCase(network, plan))),
};
