/**
 * A program that a plugin waits for is killed: alone, or with the plugin; before its work, in the
 * midst of it, or after. Or the plugin alone is killed, and the program goes on.
 *
 * @module
 */
import { programPath } from "../../scripts/support/files.ts";
import { type FaultNetwork, NETWORKS } from "../support/faults/networks.ts";
import { expectAnswer, expectSuccess } from "../support/faults/runtime.ts";
import { expectNone, Scene, unknownTo } from "../support/faults/scene.ts";
import type { Snapshot } from "../support/faults/snapshot.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";

/** Programs that plugins run. */
const PROGRAMS = [
  ...["iptables", "iptables-save", "iptables-restore"],
  ...["ip6tables", "ip6tables-save", "ip6tables-restore"],
];

/** What happens in the place of a program, in shell; `run` is the program itself. */
const FATES = {
  "program-before": "kill -9 $$",
  "program-midway": "exec strace -qq -o /dev/null -e trace=sendmsg,sendto " +
    '--inject=sendmsg,sendto:signal=SIGKILL:when=3 "$real" "$@"',
  "program-after": '"$real" "$@"; kill -9 $$',
  "both-before": "kill -9 $PPID $$",
  "both-after": '"$real" "$@"; kill -9 $PPID $$',
  "plugin-only": 'kill -9 $PPID; exec "$real" "$@"',
};
type Fate = keyof typeof FATES;

/** Where the programs' stand-ins are, and what they have to say to each other. */
const DIRECTORY = "/run/test/programs";

/** Stand-ins for programs: the one that is started as the `at`-th meets its fate. */
function standIns(at: number, fate: Fate): Record<string, string> {
  Deno.mkdirSync(DIRECTORY);
  Deno.writeTextFileSync(`${DIRECTORY}/calls`, "");
  const path = programPath();
  for (const name of PROGRAMS) {
    const script = `#!/bin/sh
PATH='${path}'
real=$(command -v ${name})
echo ${name} >>${DIRECTORY}/calls
[ $(wc -l <${DIRECTORY}/calls) = ${at} ] || exec "$real" "$@"
${FATES[fate]}
`;
    Deno.writeTextFileSync(`${DIRECTORY}/${name}`, script, { mode: 0o755 });
  }
  return { PATH: `${DIRECTORY}:${path}` };
}

function programsCase(network: FaultNetwork, command: "ADD" | "DEL"): FaultCase {
  let steps: { at: number; fate: Fate }[] = [];
  let clean: Snapshot = new Map();
  const call = (room: FaultRoom, at: number, fate: Fate) => {
    const scene = new Scene(room, network, { isWarm: true });
    const { runtime, attachment } = scene;
    if (command === "DEL") expectSuccess("ADD", runtime.add(attachment));
    const env = standIns(at, fate);
    const reply = command === "ADD"
      ? runtime.add(attachment, { env })
      : runtime.del(attachment, { env });
    return { scene, reply };
  };
  return {
    id: `${network.id}/${command}`,
    needs: ["strace", ...network.needs ?? []],
    steps(room) {
      const { scene, reply } = call(room, 0, "program-before");
      expectSuccess(command, reply);
      const count = Deno.readTextFileSync(`${DIRECTORY}/calls`).split("\n").length - 1;
      const fates = Object.keys(FATES) as Fate[];
      steps = Array.from({ length: count }, (_, i) => i + 1)
        .flatMap((at) => fates.map((fate) => ({ at, fate })));
      expectSuccess("DEL", scene.runtime.del(scene.attachment));
      clean = scene.snapshot();
      return steps.length;
    },
    run(room) {
      const { at, fate } = steps[room.step - 1]!;
      const { scene, reply } = call(room, at, fate);
      const { runtime, attachment } = scene;
      room.count(fate);
      const what = `${fate}, program ${at}`;
      if (fate.startsWith("program")) {
        const succeeded = expectAnswer(`${command}, ${what}`, reply);
        if (command === "ADD" && !succeeded && runtime.length === 1) {
          expectNone(`${what}: the failed ADD left`, unknownTo(clean, scene.differences(clean)));
        }
      }
      expectSuccess(`DEL after ${what}`, runtime.del(attachment));
      expectNone(what, scene.differences(clean));
    },
  };
}

export const suite: FaultSuite = {
  title: "a program under way killed with its plugin, and alone",
  share: 1,
  cases: NETWORKS.filter(({ id }) => id.endsWith("-iptables"))
    .flatMap((network) => [programsCase(network, "ADD"), programsCase(network, "DEL")]),
};
