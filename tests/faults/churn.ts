/**
 * Rules are flushed, tables deleted, firewalld is reloaded and restarted while containers come and go.
 * Then `firewall-reload` puts back everything of those that live and nothing of the others, what is
 * the administrator's is as it was to the byte, and packets pass, or do not, as before.
 *
 * @module
 */
import { programPath } from "../../scripts/support/files.ts";
import { Administrator, type Flavour } from "../support/faults/churn/administrator.ts";
import { addressesOf, type Backends, Crowd, type Person } from "../support/faults/churn/crowd.ts";
import { OUTER, OUTSIDE, World } from "../support/faults/packets/world.ts";
import { expectNone } from "../support/faults/scene.ts";
import { differences, snapshot } from "../support/faults/snapshot.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { Firewalld } from "../support/firewalld.ts";
import { Sender } from "../support/traffic.ts";

const WORKERS = 4;

/** A backend of all rules, and what it needs. */
interface Setting extends Backends {
  readonly id: string;
  /** The iptables that plugins find. */
  readonly flavour: Flavour;
}

/** Who filters. */
const SETTINGS = [
  { id: "nftables", rules: "nftables", filter: "nftables", flavour: "nft" },
  { id: "iptables-nft", rules: "iptables", filter: "iptables", flavour: "nft" },
  { id: "iptables-legacy", rules: "iptables", filter: "iptables", flavour: "legacy" },
  { id: "firewalld-nftables", rules: "nftables", filter: "firewalld", flavour: "nft" },
  { id: "firewalld-iptables", rules: "iptables", filter: "firewalld", flavour: "nft" },
] as const satisfies readonly Setting[];

/** What is done to the rules. */
interface Disturber {
  room: FaultRoom;
  flavour: Flavour;
  administrator: Administrator;
  firewalld: Firewalld | undefined;
}

type Disturbance = (disturber: Disturber) => void | Promise<void>;

const IPTABLES = ["filter", "nat", "raw"] as const;

const DISTURBANCES: Readonly<Record<string, Disturbance>> = {
  async "flush-ruleset"({ administrator, firewalld }) {
    administrator.flushAll();
    // It does not notice, and refuses everything from then on, a reload too.
    if (firewalld) {
      await firewalld.stop();
      await firewalld.restart();
      administrator.reloadIptables();
    }
  },
  "flush-tables"({ room, flavour, administrator }) {
    administrator.flushTable(flavour, room.random.pick(IPTABLES));
  },
  "delete-tables"({ room, administrator }) {
    const tables = room.sandbox.run("nft", ["list", "tables"]).matchAll(/^table (\S+ cni_\S+)$/gm);
    const own = Array.from(tables, ([, table]) => table!);
    const chosen = room.random.pick([...own, ...IPTABLES]);
    const table = IPTABLES.find((each) => each === chosen);
    if (table) administrator.deleteTable(table);
    else room.sandbox.try("nft", ["delete", "table", ...chosen.split(" ")]);
  },
  "flush-chains"({ room, flavour }) {
    const chains = flavour === "legacy"
      ? savedChains(room, "iptables-legacy")
      : [...savedChains(room, "iptables-nft"), ...nftChains(room)];
    // None is there for a moment after a flush.
    if (chains.length > 0) {
      const [program, ...words] = room.random.pick(chains);
      room.sandbox.try(program!, words);
    }
  },
  reload({ firewalld, administrator }) {
    firewalld!.command("--reload");
    administrator.reloadIptables();
  },
  "complete-reload"({ firewalld, administrator }) {
    firewalld!.command("--complete-reload");
    administrator.reloadIptables();
  },
  async restart({ firewalld, administrator }) {
    await firewalld!.stop();
    await firewalld!.restart();
    administrator.reloadIptables();
  },
};

/** Commands that flush a chain of the Go plugins' names. */
function savedChains({ sandbox }: FaultRoom, program: string): string[][] {
  const text = sandbox.run(`${program}-save`, []);
  return IPTABLES.flatMap((table) => {
    const [, part = ""] = new RegExp(`^\\*${table}\n(.*?)^COMMIT`, "ms").exec(text) ?? [];
    return Array.from(part.matchAll(/^:(CNI-\S+)/gm), ([, chain]) => [
      ...[program, "-w", "-t", table, "-F", chain!],
    ]);
  });
}

/** Commands that flush a chain in a table of this project's. */
function nftChains({ sandbox }: FaultRoom): string[][] {
  const { nftables } = JSON.parse(sandbox.run("nft", ["-j", "list", "chains"])) as {
    nftables: { chain?: { family: string; table: string; name: string } }[];
  };
  return nftables.flatMap(({ chain }) =>
    chain?.table.startsWith("cni_")
      ? [["nft", "flush", "chain", chain.family, chain.table, chain.name]]
      : []
  );
}

/** The environment in which plugins find an iptables of that flavour. */
function environment(flavour: Flavour): Record<string, string> {
  const directory = `/run/test/${flavour}`;
  Deno.mkdirSync(directory);
  for (const program of ["iptables", "ip6tables"]) {
    for (const tail of ["", "-save", "-restore"]) {
      const path = `/usr/sbin/${program}-${flavour}${tail}`;
      Deno.writeTextFileSync(`${directory}/${program}${tail}`, `#!/bin/sh\nexec ${path} "$@"\n`, {
        mode: 0o755,
      });
    }
  }
  return { PATH: `${directory}:${programPath()}` };
}

/** @throws {Error} about whom packets do not reach, or reach although they should not */
function tryPackets(world: World, living: readonly Person[]): void {
  for (const { id, netns, network, hostPort, result } of living) {
    const own = addressesOf(result!);
    for (const [i, family] of ([4, 6] as const).entries()) {
      using server = world.server(netns, own[i]!, 80);
      const target = { address: OUTER[family], port: hostPort };
      using client = new Sender({ netns: world.outside, target });
      if (!client.heardBy({ server })) throw new Error(`IPv${family}: nobody reaches ${id}'s port`);
      using outside = world.server(world.outside, OUTSIDE[family], 80);
      using container = new Sender({ netns, target: outside.endpoint });
      const seen = container.heardBy({ outside })?.sender.address;
      if (seen !== OUTER[family]) throw new Error(`IPv${family}: ${id} is seen outside as ${seen}`);
      const other = living.find((each) => each.network !== network);
      if (!other) continue;
      using stranger = new Sender({ netns: other.netns, target: server.endpoint });
      if (stranger.heardBy({ server }, true)) {
        throw new Error(`IPv${family}: ${other.id} of another bridge reaches ${id}`);
      }
    }
  }
}

/** The rules, in every table and flavour, that are about one of `traces`. */
function rulesAbout({ sandbox }: FaultRoom, traces: readonly string[]): string[] {
  const saves = ["iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"];
  const lines = [
    sandbox.ruleset(),
    ...saves.map((program) => sandbox.run(`${program}-save`, [])),
  ].flatMap((text) => text.split("\n"));
  return lines.filter((line) => {
    const words = line.match(/[\da-f.:]+/g) ?? [];
    return words.some((word) => traces.includes(word));
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function expectSame(what: string, before: string, after: string): void {
  if (before !== after) throw new Error(`${what}:\n${before}\n  have become\n${after}`);
}

function churnCase(setting: Setting, name: string): FaultCase {
  const { filter, rules, flavour } = setting;
  return {
    id: `${setting.id}/${name}`,
    needs: [
      ...["nft", "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"],
      ...(filter === "firewalld" ? ["firewalld", "dbus-daemon"] : []),
    ],
    async run(room) {
      const { sandbox } = room;
      const shape = { plugin: "bridge", backend: "nftables", family: 4, from: "", by: "" } as const;
      const world = new World({ sandbox, shape, isKept: true, isInVain: false });
      const isDropping = rules === "iptables" && filter === "iptables";
      const administrator = new Administrator(sandbox, isDropping ? flavour : undefined);
      await using firewalld = filter === "firewalld" ? await Firewalld.start(sandbox) : undefined;
      if (firewalld) administrator.reloadIptables();
      const foreign = administrator.rules();
      const size = room.all ? 24 : 12;
      const env = { ...environment(flavour), ...firewalld?.env };
      const crowd = new Crowd(room, size, setting, env);
      const warmUp = async () => {
        for (const one of crowd.people.slice(0, 2)) await crowd.attach(one);
        for (const one of crowd.people.slice(0, 2)) await crowd.detach(one);
      };
      await warmUp();
      const before = snapshot(sandbox);
      for (const one of crowd.people.slice(0, size / 2)) await crowd.attach(one);
      tryPackets(world, crowd.living.slice(0, 2));

      let isOver = false;
      const coming = crowd.comeAndGo(WORKERS, () => isOver);
      coming.catch(() => isOver = true); // it is thrown below, where it is waited for
      try {
        for (let i = 0; i < (room.all ? 8 : 4); i++) {
          const { operations } = crowd;
          // Not before some have come or gone, and somewhere within the next one's work.
          do await sleep(room.random.int(100)); while (
            !isOver && crowd.operations < operations + WORKERS
          );
          await DISTURBANCES[name]!({ room, flavour, administrator, firewalld });
          room.count("disturbances");
          // As often as not, somebody puts rules back while others come and go.
          if (i % 2 === 1) await crowd.reload();
        }
      } finally {
        isOver = true;
        await coming;
      }
      await crowd.reload();
      expectNone("rules of containers that are gone", rulesAbout(room, crowd.traces));
      expectSame("the administrator's rules", foreign, administrator.rules());
      for (const one of crowd.living) await crowd.check(one);
      tryPackets(world, crowd.living);
      expectSame("a second firewall-reload has something to put back", "", await crowd.reload());

      for (const one of crowd.living) await crowd.detach(one);
      await warmUp();
      const left = differences(before, snapshot(sandbox)).filter((line) =>
        !/^left (directory|file \S+\/lock)|^\w+ (host conntrack|process \d+ firewalld)/.test(line)
      );
      expectNone("after all was detached", left);
      expectSame("the administrator's rules", foreign, administrator.rules());
    },
  };
}

const BY_FIREWALLD = ["reload", "complete-reload", "restart"];

export const suite: FaultSuite = {
  title: "rules flushed and firewalld reloaded while containers come and go",
  share: 1,
  cases: SETTINGS.flatMap((setting) => {
    const names = setting.filter === "firewalld"
      ? [...BY_FIREWALLD, "flush-ruleset"]
      : Object.keys(DISTURBANCES).filter((name) => !BY_FIREWALLD.includes(name));
    return names.map((name) => churnCase(setting, name));
  }),
};
