/**
 * A chain of plugins through cnitool, and so libcni: killed at every step, and DEL whatever has become
 * of the cached result, the namespace and the configuration.
 *
 * @module
 */
import { programPath } from "../../scripts/support/files.ts";
import { expectNone } from "../support/faults/scene.ts";
import { differences, type Snapshot, snapshot } from "../support/faults/snapshot.ts";
import { type CallPoint, changingCalls, countCalls, killAt } from "../support/faults/strace.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { hostLocal } from "../support/network.ts";
import { outputWithInput } from "../support/plugins.ts";

const CONFIGURATION = "/etc/cni/net.d/10-net.conflist";
const CACHE = "/var/lib/cni/results";

type Output = ReturnType<typeof outputWithInput>;

/** A host with one attachment that lives, and a container that is about to be one. */
class Chain {
  readonly #room: FaultRoom;
  readonly #before: Snapshot;
  readonly subject: string;

  constructor(room: FaultRoom) {
    this.#room = room;
    const plugins = [
      { type: "bridge", bridge: "br0", isGateway: true, ipMasq: true, ipam: hostLocal },
      { type: "portmap", capabilities: { portMappings: true } },
      { type: "firewall" },
      { type: "tuning", sysctl: { "net.core.somaxconn": "500" } },
      { type: "bandwidth", ingressRate: 80_000_000, ingressBurst: 8_000_000 },
    ].map((plugin) => ({ ...plugin, backend: "nftables", ipMasqBackend: "nftables" }));
    Deno.mkdirSync("/etc/cni/net.d", { recursive: true });
    const list = { cniVersion: "1.1.0", name: room.network, plugins };
    Deno.writeTextFileSync(CONFIGURATION, JSON.stringify(list));
    this.subject = room.sandbox.container("subject").path;
    this.expect("add", room.sandbox.container("living").path, 8001);
    this.#before = snapshot(room.sandbox);
  }

  /** cnitool on a namespace. @param before words to put before the executable */
  call(
    command: string,
    path = this.subject,
    hostPort = 8000,
    before: readonly string[] = [],
  ): Output {
    const { bin, network } = this.#room;
    this.#room.count(command);
    const portMappings = [{ hostPort, containerPort: 80, protocol: "tcp" }];
    const env = {
      PATH: programPath(),
      CNI_PATH: bin,
      CAP_ARGS: JSON.stringify({ portMappings }),
    };
    const [program = "", ...args] = [...before, `${bin}/cnitool`, command, network, path];
    return outputWithInput(program, "", env, args);
  }

  /** As {@link Chain.call}. @throws {Error} with what it says, when it fails */
  expect(command: string, path?: string, hostPort?: number, before?: readonly string[]): void {
    const { code, stdout, stderr } = this.call(command, path, hostPort, before);
    if (code !== 0) throw new Error(`cnitool ${command} ended with ${code}: ${stderr}${stdout}`);
  }

  snapshot(): Snapshot {
    return snapshot(this.#room.sandbox);
  }

  /** What the host has otherwise than before, without empty directories, locks and the subject's namespace. */
  differences(): string[] {
    return differences(this.#before, this.snapshot())
      .filter((line) => !/^left (directory|file \S+\/lock)|\/run\/netns\/subject/.test(line));
  }
}

function killCase(command: "add" | "del" | "check"): FaultCase {
  let points: CallPoint[] = [];
  const prepared = (room: FaultRoom) => {
    const chain = new Chain(room);
    if (command !== "add") chain.expect("add");
    return chain;
  };
  return {
    id: `kill/${command}`,
    needs: ["strace", "nft", "kernel:ifb"],
    steps(room) {
      const chain = prepared(room);
      const file = "/run/test/strace";
      chain.expect(command, undefined, undefined, countCalls(file));
      points = changingCalls(file);
      chain.expect("del");
      expectNone(`${command} and del by themselves leave`, chain.differences());
      return points.length;
    },
    run(room) {
      const point = points[room.step - 1]!;
      const chain = prepared(room);
      const { code } = chain.call(command, undefined, undefined, killAt(point));
      room.count(code === 137 ? "killed" : "not reached");
      chain.expect("del");
      expectNone(`killed at ${point.text}`, chain.differences());
    },
  };
}

/** The subject's cached result: the one that is not the other attachment's. */
function cached(before: readonly string[]): string {
  return results().find((path) => !before.includes(path))!;
}

function results(): string[] {
  return Array.from(Deno.readDirSync(CACHE), ({ name }) => `${CACHE}/${name}`);
}

/** What has happened before DEL. @param path the cached result */
const STATES: Readonly<Record<string, (path: string, room: FaultRoom, chain: Chain) => void>> = {
  "as-added": () => {},
  "deleted-before": (_path, _room, chain) => chain.expect("del"),
  "cache-gone": (path) => Deno.removeSync(path),
  "cache-empty": (path) => Deno.writeTextFileSync(path, ""),
  "cache-half": (path) => Deno.writeTextFileSync(path, Deno.readTextFileSync(path).slice(0, 200)),
  "cache-garbage": (path) => Deno.writeFileSync(path, new Uint8Array(300).fill(0xa5)),
  "cache-of-another-kind": (path) => Deno.writeTextFileSync(path, '{"kind":"cniCacheV9"}'),
  "cache-directory": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  },
  "cache-symlink-to-itself": (path) => {
    Deno.removeSync(path);
    Deno.symlinkSync(path, path);
  },
  "cache-fifo": (path, { sandbox }) => {
    Deno.removeSync(path);
    sandbox.run("mkfifo", [path]);
  },
  "link-gone": (_, { sandbox }) => void sandbox.run("ip", ["-n", "subject", "link", "del", "eth0"]),
  "namespace-gone": (_, { sandbox }) => void sandbox.run("ip", ["netns", "del", "subject"]),
  "records-gone": (_, { sandbox }) =>
    void sandbox.run("rm", ["-rf", "/var/lib/cni/networks/.owners"]),
};

function delCase(state: string): FaultCase {
  return {
    id: `del/${state}`,
    needs: ["nft", "kernel:ifb"],
    run(room) {
      const chain = new Chain(room);
      const before = results();
      chain.expect("add");
      const path = cached(before);
      STATES[state]!(path, room, chain);
      const noHang = ["timeout", "-s", "KILL", "60"];
      chain.expect("del", undefined, undefined, noHang);
      // What cannot be a cached result is none of libcni's.
      const left = chain.differences().filter((line) => !line.includes(path))
        .filter((line) => state !== "records-gone" || !line.includes("/.owners/"));
      expectNone("after del", left);
    },
  };
}

export const suite: FaultSuite = {
  title: "the chain through cnitool and libcni: killed at every step, and DEL in every state",
  share: 1,
  cases: [
    killCase("add"),
    killCase("del"),
    killCase("check"),
    ...Object.keys(STATES).map(delCase),
  ],
};
