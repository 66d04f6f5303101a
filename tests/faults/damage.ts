/**
 * State files that something has happened to, those of another boot among them. No call hangs, or
 * writes to where a link leads; DEL succeeds and leaves nothing, and others are served.
 *
 * @module
 */
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { expectAnswer, expectSuccess, NO_HANG } from "../support/faults/runtime.ts";
import { expectNone, Scene } from "../support/faults/scene.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";

/** What a symbolic link may lead to; nobody may write there. */
const SENTINEL = "/run/test/sentinel";
const SENTINEL_TEXT = '{"format":1}';

/** What becomes of a file, which has been removed. @param text what was in it */
const DAMAGES: Readonly<Record<string, (path: string, text: string, room: FaultRoom) => void>> = {
  gone() {},
  empty: (path) => Deno.writeTextFileSync(path, ""),
  half: (path, text) => Deno.writeTextFileSync(path, text.slice(0, text.length / 2)),
  garbage: (path) => Deno.writeFileSync(path, new Uint8Array(300).fill(0xa5)),
  "of-a-later-version": (path) => Deno.writeTextFileSync(path, '{"format":999,"new":true}'),
  "another-type": (path) => Deno.writeTextFileSync(path, "[]"),
  "symlink-to-a-file": (path) => Deno.symlinkSync(SENTINEL, path),
  "symlink-to-nowhere": (path) => Deno.symlinkSync("/run/test/nowhere", path),
  "symlink-to-itself": (path) => Deno.symlinkSync(path, path),
  fifo: (path, _, { sandbox }) => void sandbox.run("mkfifo", [path]),
  directory: (path) => Deno.mkdirSync(path),
  "full-directory": (path) => Deno.mkdirSync(`${path}/more`, { recursive: true }),
};

/** The files of state, symbolic links too. */
function stateFiles(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory)).flatMap(({ name, isDirectory }) =>
      isDirectory ? stateFiles(`${directory}/${name}`) : [`${directory}/${name}`]
    ).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** A step for each state file, and each thing that can happen to it. */
function damageCase(network: FaultNetwork): FaultCase {
  let steps: { path: string; damage: string }[] = [];
  return {
    id: `${network.id}/damaged`,
    needs: network.needs,
    steps(room) {
      const scene = new Scene(room, network, { isWarm: true });
      expectSuccess("ADD", scene.runtime.add(scene.attachment));
      const files = ["/run/cni", "/var/lib/cni"].flatMap(stateFiles);
      steps = files.flatMap((path) => Object.keys(DAMAGES).map((damage) => ({ path, damage })));
      return steps.length;
    },
    run(room) {
      const { path, damage } = steps[room.step - 1]!;
      try {
        runDamaged(room, network, path, damage);
      } catch (error) {
        throw new Error(`${path}, ${damage}: ${(error as Error).message}`);
      }
    },
  };
}

function runDamaged(room: FaultRoom, network: FaultNetwork, path: string, damage: string): void {
  const scene = new Scene(room, network, { isWarm: true });
  const { runtime, attachment, living } = scene;
  expectSuccess("ADD", runtime.add(attachment));
  Deno.writeTextFileSync(SENTINEL, SENTINEL_TEXT);
  const isLink = Deno.lstatSync(path).isSymlink;
  const text = isLink ? Deno.readLinkSync(path) : Deno.readTextFileSync(path);
  Deno.removeSync(path);
  DAMAGES[damage]!(path, text, room);

  expectAnswer("CHECK", runtime.check(attachment, NO_HANG));
  const isRemoved = expectAnswer("DEL", runtime.del(attachment, { ...NO_HANG, mayFail: true }));
  room.count(isRemoved ? "DEL succeeded" : "DEL failed");
  // What cannot be locked cannot be changed; anything else keeps nobody from being removed or made.
  if (!isRemoved && !path.endsWith("/lock")) throw new Error("DEL must succeed");
  const next = runtime.add(runtime.container("other"), { ...NO_HANG, mayFail: true });
  // Nor is what all share written where a directory of somebody's is; that has to be moved away.
  const isInTheWay = /not empty; move it away/.test(next.json?.msg);
  if (!expectAnswer("the next ADD", next) && !path.endsWith("/lock") && !isInTheWay) {
    throw new Error(`the next ADD must succeed: ${next.stdout}${next.stderr}`);
  }
  const after = Deno.readTextFileSync(SENTINEL);
  if (after !== SENTINEL_TEXT) throw new Error(`${SENTINEL} was overwritten: ${after}`);

  if (!isRemoved) {
    Deno.removeSync(path, { recursive: true });
    expectSuccess("DEL again", runtime.del(attachment));
  }
  const left = scene.differences(undefined, { container: true })
    .filter((line) => line.startsWith("left ") && line.includes("subject") && !line.includes(path))
    // A directory in the index keeps it from being made anew, which only takes longer.
    .filter((line) => !(damage.endsWith("directory") && line.includes("/.owners/")));
  expectNone("after DEL", left);
  expectSuccess("DEL of the living one", runtime.del(living[0]!, NO_HANG));
}

/** The machine starts again: what is not on a disk is gone, with or without what is in /run. */
function rebootCase(
  network: FaultNetwork,
  run: "emptied" | "kept",
  remedy: "GC" | "DEL",
): FaultCase {
  return {
    id: `${network.id}/another-boot/${run}/${remedy}`,
    needs: network.needs,
    run(room) {
      const { sandbox } = room;
      const scene = new Scene(room, network, { isWarm: false });
      const { runtime, attachment } = scene;
      expectSuccess("ADD", runtime.add(attachment));
      attachment.netns[Symbol.dispose]();
      sandbox.run("ip", ["netns", "del", attachment.containerId]);
      for (const { ifname } of sandbox.ip("link show")) {
        if (!/^(lo|up\d|card\d|far\d)$/.test(ifname)) sandbox.try("ip", ["link", "del", ifname]);
      }
      sandbox.try("nft", ["flush", "ruleset"]);
      if (run === "emptied") sandbox.run("rm", ["-rf", "/run/cni"]);
      const reply = remedy === "GC" ? runtime.gc([]) : runtime.del(attachment);
      expectSuccess(remedy, reply);
      const records = [...stateFiles("/run/cni"), ...stateFiles("/var/lib/cni")]
        .filter((path) => !/\/(lock|last_reserved_ip\.\d)$/.test(path));
      expectNone("state of a former boot", records);
      scene.next();
    },
  };
}

export const suite: FaultSuite = {
  title: "damaged state files, and those of another boot",
  share: 1,
  cases: NETWORKS.flatMap((network) => [
    damageCase(network),
    ...(["emptied", "kept"] as const).flatMap((run) =>
      (["GC", "DEL"] as const).map((remedy) => rebootCase(network, run, remedy))
    ),
  ]),
};
