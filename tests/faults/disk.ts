/**
 * A disk that is full, that is read-only, that fails, and state files that something has happened
 * to. An ADD that cannot write fails with an error and takes everything back, or succeeds wholly;
 * a DEL succeeds, or fails with an error and succeeds when the disk is well again; nothing is left.
 *
 * @module
 */
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { expectWholeAdd, type Failing, failingCase } from "../support/faults/failing.ts";
import { expectAnswer, expectSuccess, NO_HANG } from "../support/faults/runtime.ts";
import { expectNone, Scene } from "../support/faults/scene.ts";
import type { Snapshot } from "../support/faults/snapshot.ts";
import { countFileCalls, stateFileCalls } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import type { Sandbox } from "../support/sandbox.ts";

/** Where plugins keep state. */
const STATE = ["/run/cni", "/var/lib/cni"];

/**
 * What ADD and DEL leave on a cold host by themselves: what all attachments share.
 * @param attached called between the two
 */
function cleanHost(
  room: FaultRoom,
  network: FaultNetwork,
  before: () => void,
  attached = () => {},
): Snapshot {
  const scene = new Scene(room, network, { isWarm: false, before });
  expectSuccess("ADD", scene.runtime.add(scene.attachment));
  attached();
  expectSuccess("DEL", scene.runtime.del(scene.attachment));
  return scene.snapshot();
}

/** A file system in memory at each place of state, with so much room. */
function mountState(sandbox: Sandbox, options: string): void {
  for (const directory of STATE) {
    Deno.mkdirSync(directory, { recursive: true });
    sandbox.run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", directory]);
  }
}

function remountState(sandbox: Sandbox, options: string): void {
  for (const directory of STATE) {
    sandbox.run("mount", ["-o", `remount,${options}`, directory]);
  }
}

/** The blocks and inodes that the fuller of the file systems has in use. */
function inUse(sandbox: Sandbox): { blocks: number; inodes: number } {
  const lines = STATE.map((directory) =>
    sandbox.run("stat", ["-f", "-c", "%b %f %c %d", directory]).trim().split(" ").map(Number)
  );
  const most = (total: number, free: number) =>
    Math.max(...lines.map((numbers) => numbers[total]! - numbers[free]!));
  return { blocks: most(0, 1), inodes: most(2, 3) };
}

/** A step for each number of blocks, or inodes, that is too small for ADD, and for those that are not. */
function fullCase(network: FaultNetwork, what: "blocks" | "inodes"): FaultCase {
  let clean: Snapshot = new Map();
  const ample = "size=4m,nr_inodes=1000,mode=755";
  return {
    id: `${network.id}/full/${what}`,
    needs: network.needs,
    steps(room) {
      const { sandbox } = room;
      let most = 0;
      const measure = () => most = inUse(sandbox)[what];
      clean = cleanHost(room, network, () => mountState(sandbox, ample), measure);
      // Two more, for what is there only for a moment.
      return most + 2;
    },
    run(room) {
      const { sandbox, step } = room;
      // A size of 0 is no limit; an inode is the root's.
      const limit = what === "blocks" ? `size=${step * 4096}` : `nr_inodes=${step}`;
      const before = () => mountState(sandbox, `${ample},${limit}`);
      const scene = new Scene(room, network, { isWarm: false, before });
      const mend = () => remountState(sandbox, "size=4m,nr_inodes=1000");
      room.count(`ADD ${expectWholeAdd(scene, clean, NO_HANG, mend)} on a full disk`);
    },
  };
}

/** A full or read-only disk that was well at the time of ADD. */
function laterCase(network: FaultNetwork, what: "full" | "read-only"): FaultCase {
  return {
    id: `${network.id}/${what}/DEL`,
    needs: network.needs,
    run(room) {
      const { sandbox } = room;
      const before = () => mountState(sandbox, "size=4m,mode=755");
      const scene = new Scene(room, network, { isWarm: true, before });
      const { runtime, attachment } = scene;
      expectSuccess("ADD", runtime.add(attachment));
      // A size of 0 is no limit.
      const used = Math.max(inUse(sandbox).blocks, 1) * 4096;
      remountState(sandbox, what === "full" ? `size=${used}` : "ro");
      if (what === "full") {
        for (const directory of STATE) {
          sandbox.try("dd", ["if=/dev/zero", `of=${directory}/filler`]);
        }
      }
      const reply = runtime.del(attachment, { ...NO_HANG, mayFail: true });
      room.count(`DEL ${expectAnswer("DEL", reply) ? "succeeded" : "failed"} on a ${what} disk`);
      // A full disk keeps nothing from being removed.
      if (what === "full") expectSuccess("DEL on a full disk", reply);
      remountState(sandbox, "rw,size=4m");
      for (const directory of STATE) sandbox.run("rm", ["-f", `${directory}/filler`]);
      expectSuccess("DEL again", runtime.del(attachment));
      expectNone("after DEL", scene.differences(undefined, { container: true }));
    },
  };
}

function readOnlyCase(network: FaultNetwork, directory: string): FaultCase {
  let clean: Snapshot = new Map();
  return {
    id: `${network.id}/read-only${directory}/ADD`,
    needs: network.needs,
    steps(room) {
      clean = cleanHost(room, network, () => mountState(room.sandbox, "size=4m,mode=755"));
      return 1;
    },
    run(room) {
      const { sandbox } = room;
      const before = () => mountState(sandbox, "size=4m,mode=755");
      const scene = new Scene(room, network, { isWarm: false, before });
      sandbox.run("mount", ["-o", "remount,ro", directory]);
      const mend = () => void sandbox.run("mount", ["-o", "remount,rw", directory]);
      room.count(
        `ADD ${expectWholeAdd(scene, clean, NO_HANG, mend)} on a read-only disk`,
      );
    },
  };
}

/** The calls that can end with an error; all can with one of the device, EIO. */
const CALLS_WITH: Readonly<Record<string, RegExp>> = {
  // What needs room.
  ENOSPC:
    /^(p?write(64)?|open(at)?\(.*O_CREAT|mkdir|rename|link|symlink|fsync|fdatasync|ftruncate)/,
  // What goes by a path; who has a file open may use it.
  EACCES: /^(open|mkdir|rmdir|unlink|rename|link|symlink|readlink|chmod)/,
};

/** Calls about state files, which fail. */
function stateFiles(error: string): Failing {
  const canFail = CALLS_WITH[error] ?? /./;
  return {
    id: error,
    onlyAll: error !== "EIO",
    count: countFileCalls,
    points: (file) =>
      stateFileCalls(file).filter(({ text }) => canFail.test(text))
        .map((point) => ({ ...point, error })),
    // A record that cannot be read is lost, and with it what the container had before.
    losesRecord: ({ syscall, text }) => /^p?read/.test(syscall) || text.includes("O_RDONLY"),
  };
}

export const suite: FaultSuite = {
  title: "a full, read-only or failing disk, and damaged state files",
  share: 2,
  cases: NETWORKS.flatMap((network) => [
    fullCase(network, "blocks"),
    fullCase(network, "inodes"),
    laterCase(network, "full"),
    laterCase(network, "read-only"),
    ...STATE.map((directory) => readOnlyCase(network, directory)),
    ...["EIO", "ENOSPC", "EACCES"].flatMap((error) => [
      failingCase(network, "ADD", stateFiles(error)),
      failingCase(network, "DEL", stateFiles(error)),
    ]),
  ]),
};
