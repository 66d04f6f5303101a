/**
 * Every plugin beside Go's, with each of its options and with many together: results, error codes,
 * exit statuses, and what is changed on host and container; each one's CHECK and DEL of what the
 * other has made. What differs is in the list of accepted differences.
 *
 * @module
 */
import { isFile } from "../../scripts/support/files.ts";
import { ACCEPTED, GO_VERSION } from "../support/differential/accepted.ts";
import { acceptedBy, compareCrossed, compareLives } from "../support/differential/compare.ts";
import {
  bad,
  type Configuration,
  enumerated,
  generated,
  untried,
} from "../support/differential/configurations.ts";
import { type Subject, SUBJECTS } from "../support/differential/subjects.ts";
import { type Actors, live, type Looks } from "../support/differential/trial.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { tryPlugin } from "../support/plugins.ts";
import { newestGoPlugins } from "../support/requirements.ts";

/** How many configurations are made by chance of each plugin's options. */
const GENERATED = 40;

/** Compares with one configuration. @throws {Error} listing what differs and is not accepted */
async function compare(
  room: FaultRoom,
  subject: Subject,
  configuration: Configuration,
): Promise<void> {
  const go = newestGoPlugins();
  const life = (actors: Actors, looks: Looks) => live(subject, configuration, actors, looks);
  const gos = await life({ add: go, rest: go }, { made: true });
  const ours = await life({ add: room.bin, rest: room.bin }, { before: true, made: true });
  const found = compareLives(gos, ours);
  const isMade = gos.rest !== undefined && ours.rest !== undefined;
  room.count(isMade ? "attached" : "refused");
  if (isMade) {
    const goAfterOurs = await life({ add: room.bin, rest: go }, {});
    const oursAfterGo = await life({ add: go, rest: room.bin }, {});
    found.push(...compareCrossed("Go's", gos, goAfterOurs));
    found.push(...compareCrossed("our", ours, oursAfterGo));
  }
  const unaccepted = found.filter((line) => {
    const accepted = acceptedBy(line, subject, configuration);
    if (accepted) room.count(`accepted:${accepted.id}`);
    return !accepted;
  });
  if (unaccepted.length > 0) {
    throw new Error(`${JSON.stringify(configuration)}:\n  ${unaccepted.join("\n  ")}`);
  }
}

function casesOf(subject: Subject): FaultCase[] {
  const { plugin } = subject;
  const needs = ["newest-go-plugins", ...subject.needs ?? []];
  const each = (id: string, configurations: readonly Configuration[]): FaultCase => ({
    id: `${plugin}/${id}`,
    needs,
    steps: () => configurations.length,
    run: (room) => compare(room, subject, configurations[room.step - 1]!),
  });
  return [
    { id: `${plugin}/version`, needs, run: (room) => compareVersions(room, subject) },
    each("options", enumerated(subject)),
    each("refused", bad(subject)),
    {
      id: `${plugin}/together`,
      needs,
      steps: () => GENERATED,
      run: (room) => compare(room, subject, generated(subject, room.random)),
    },
  ];
}

/** VERSION of both. @throws {Error} where what they print differs */
function compareVersions({ sandbox, bin }: FaultRoom, { plugin }: Subject): void {
  const versions = (bin: string) => {
    const call = { command: "VERSION", config: { cniVersion: "1.1.0", type: plugin } } as const;
    const { code, stdout } = tryPlugin(sandbox, { ...call, bin });
    return `${code} ${stdout}`;
  };
  const [go, ours] = [versions(newestGoPlugins()), versions(bin)];
  if (go !== ours) throw new Error(`VERSION: ${go}, ours: ${ours}`);
}

/** Which version Debian's Go plugins are of; undefined for others, which do not say. */
async function goVersion(): Promise<string | undefined> {
  const log = `${newestGoPlugins()}/../../share/doc/containernetworking-plugins`;
  if (!isFile(`${log}/changelog.Debian.gz`)) return undefined;
  using file = Deno.openSync(`${log}/changelog.Debian.gz`);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip")))
    .text();
  return /\(([\d.]+)/.exec(text)?.[1];
}

/** The list is of the version that it is compared with. */
const listed: FaultCase = {
  id: "version-of-the-list",
  needs: ["newest-go-plugins"],
  onlyAll: true,
  async run() {
    const version = await goVersion();
    if (version === undefined || version === GO_VERSION) return;
    throw new Error(
      `the list of differences is of ${GO_VERSION}, these Go plugins are ${version}: change GO_VERSION ` +
        "when nothing else fails",
    );
  },
};

/** A new option is tried, too. */
const completeness: FaultCase = {
  id: "every-option",
  run() {
    const missing = SUBJECTS.flatMap((subject) =>
      untried(subject).map((key) => `${subject.plugin}: ${key}`)
    );
    if (missing.length > 0) {
      throw new Error(`no configuration sets:\n  ${missing.join("\n  ")}`);
    }
  },
};

export const suite: FaultSuite = {
  title: "plugins do what Go's do, and each takes over from the other",
  share: 1,
  cases: [completeness, listed, ...SUBJECTS.flatMap(casesOf)],
  unseen: (ran, counts) =>
    ACCEPTED.filter(({ id, plugins = SUBJECTS.map(({ plugin }) => plugin) }) =>
      !counts.has(`accepted:${id}`) && plugins.some((plugin) => ran.has(`${plugin}/options`))
    ).map(({ id }) => `no difference is ${id} any more, which the list accepts`),
};
