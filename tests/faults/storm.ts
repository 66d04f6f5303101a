/**
 * Sixteen workers attach, check and detach containers at random, collect garbage and ask for the
 * status; half of the IPAM calls go to the Go plugin, on the same directory. An oracle knows which
 * attachments live: no address is given twice, and what is there is what they need.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import { programPath } from "../../scripts/support/files.ts";
import { startPlugin } from "../support/faults/concurrent.ts";
import { differences, type Snapshot, snapshot } from "../support/faults/snapshot.ts";
import type { FaultCase, FaultRoom, FaultSuite } from "../support/faults/suite.ts";
import { reservations } from "../support/network.ts";
import { Firewalld } from "../support/firewalld.ts";
import type { PluginReply } from "../support/plugins.ts";
import { GO_PLUGINS } from "../support/requirements.ts";
import { startResident } from "../support/resident.ts";

const WORKERS = 16;
/** The code of an error that another try may not meet. */
const TRY_AGAIN = 11;
/** The directory of the Go plugin alone. */
const GO = "/run/test/go";

/** How big a storm is. */
interface Size {
  containers: number;
  operations: number;
}

const PART: Size = { containers: 40, operations: 160 };
const WHOLE: Size = { containers: 200, operations: 2000 };

type Backend = "iptables" | "nftables" | "firewalld";

/** The network, with one backend for all of its rules. */
function pluginsOf(backend: Backend): Record<string, unknown>[] {
  // firewalld is a filter only.
  const rules = backend === "firewalld" ? "nftables" : backend;
  return [
    {
      type: "bridge",
      bridge: "br0",
      isGateway: true,
      ipMasq: true,
      ipMasqBackend: rules,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: "10.7.0.0/24" }], [{ subnet: "fd00:7::/64" }]],
      },
    },
    { type: "portmap", backend: rules },
    { type: "firewall", backend },
  ];
}

/** A container: what the oracle knows of it. */
interface Container {
  readonly id: string;
  readonly netns: NetNs;
  readonly hostPort: number;
  /** Whether a worker is about it. */
  isBusy: boolean;
  /** The result of its ADD, where it is attached. */
  result?: { ips: { address: string }[] };
}

class Storm {
  readonly #room: FaultRoom;
  readonly #bin: string;
  readonly #plugins: readonly Record<string, unknown>[];
  readonly #containers: Container[] = [];
  readonly #env: Record<string, string>;
  /** Whether half of the IPAM calls go to the Go plugin. */
  #withGo = false;

  constructor(
    room: FaultRoom,
    backend: Backend,
    bin: string,
    { containers }: Size,
    env: Record<string, string> = {},
  ) {
    this.#env = { PATH: programPath(), ...env };
    this.#room = room;
    this.#bin = bin;
    this.#plugins = pluginsOf(backend);
    Deno.mkdirSync(GO);
    Deno.symlinkSync(`${GO_PLUGINS}/host-local`, `${GO}/host-local`);
    for (let i = 0; i < containers; i++) {
      const id = `c${i}`;
      const netns = room.sandbox.container(id);
      this.#containers.push({ id, netns, hostPort: 10_000 + i, isBusy: false });
    }
  }

  /**
   * Attaches and detaches a container, so that what all share is there, and host-local's index is
   * what the Go plugin has made of the reservations.
   */
  async warmUp(): Promise<void> {
    this.#withGo = false;
    await this.#attach(this.#containers[0]!);
    await this.#detach(this.#containers[0]!);
  }

  /** Workers do operations until so many were done. */
  async blow(operations: number): Promise<void> {
    this.#withGo = true;
    let left = operations;
    const work = async () => {
      while (left-- > 0) await this.#operate();
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  }

  /** @throws {Error} when what is there is not what the attachments that live need */
  compare(): void {
    const living = this.#living();
    expectSame(
      "addresses given out",
      reservations(this.#room.network),
      living.flatMap(({ result }) => result!.ips.map(({ address }) => address.split("/")[0]!)),
    );
    const links = this.#room.sandbox.ip("link show type veth");
    const aliases = links.map(({ ifalias }) => ifalias.split("/")[1]);
    expectSame("veth pairs", aliases, living.map(({ id }) => id));
    const notes = Array.from(Deno.readDirSync("/run/cni/firewall"), ({ name }) => name);
    for (const kind of ["masquerade", "ports", "filter"]) {
      const found = notes.filter((name) => name.endsWith(`.${kind}.json`)).length;
      if (found !== living.length) {
        throw new Error(`${found} notes of ${kind}, ${living.length} attachments live`);
      }
    }
  }

  async detachAll(): Promise<void> {
    const living = this.#living();
    const work = async () => {
      for (let one = living.pop(); one; one = living.pop()) await this.#detach(one);
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  }

  #living(): Container[] {
    return this.#containers.filter(({ result }) => result !== undefined);
  }

  async #operate(): Promise<void> {
    const { random } = this.#room;
    const kind = random.int(20);
    if (kind === 0) return await this.#collect();
    if (kind === 1) return await this.#status();
    const idle = this.#containers.filter(({ isBusy }) => !isBusy);
    // All are at it, or held back by a GC.
    if (idle.length === 0) return await this.#status();
    const one = random.pick(idle);
    one.isBusy = true;
    try {
      if (!one.result) await this.#attach(one);
      else if (random.int(3) === 0) await this.#check(one);
      else await this.#detach(one);
    } finally {
      one.isBusy = false;
    }
  }

  async #attach(one: Container): Promise<void> {
    let prevResult: unknown;
    for (const plugin of this.#plugins) {
      const reply = await this.#call("ADD", plugin, one, prevResult);
      if (reply.code !== 0) {
        const isRefused = reply.json?.code === TRY_AGAIN;
        if (!isRefused) throw failure("ADD", one, reply);
        this.#room.count("ADD refused for now");
        return await this.#detach(one);
      }
      prevResult = reply.json;
    }
    const result = prevResult as NonNullable<Container["result"]>;
    for (const { address } of result.ips) {
      const other = this.#living().find((each) =>
        each.result!.ips.some((ip) => ip.address === address)
      );
      if (other) throw new Error(`${address} is ${other.id}'s, and was given to ${one.id}`);
    }
    one.result = result;
    this.#room.count("ADD");
  }

  async #check(one: Container): Promise<void> {
    for (const plugin of this.#plugins) {
      const reply = await this.#call("CHECK", plugin, one, one.result);
      if (reply.code !== 0) throw failure("CHECK", one, reply);
    }
    this.#room.count("CHECK");
  }

  async #detach(one: Container): Promise<void> {
    const { result } = one;
    for (const plugin of this.#plugins.toReversed()) {
      const reply = await this.#call("DEL", plugin, one, result);
      if (reply.code !== 0) throw failure("DEL", one, reply);
      // Its address is free from here on.
      if (plugin.type === "bridge") one.result = undefined;
    }
    this.#room.count("DEL");
  }

  /** GC; attachments that come or go meanwhile are valid. */
  async #collect(): Promise<void> {
    const valid = this.#containers.filter(({ isBusy, result }) => isBusy || result)
      .map(({ id }) => ({ containerID: id, ifname: "eth0" }));
    // One that a worker takes up now would not be.
    const idle = this.#containers.filter(({ isBusy, result }) => !isBusy && !result);
    for (const one of idle) one.isBusy = true;
    const env = { CNI_COMMAND: "GC", CNI_PATH: this.#bin };
    for (const plugin of this.#plugins.toReversed()) {
      const fields = { cniVersion: "1.1.0", "cni.dev/valid-attachments": valid };
      const reply = await this.#execute(plugin, fields, env);
      if (reply.code !== 0) throw failure("GC", { id: "all" }, reply);
    }
    for (const one of idle) one.isBusy = false;
    this.#room.count("GC");
  }

  async #status(): Promise<void> {
    const env = { CNI_COMMAND: "STATUS", CNI_PATH: this.#bin };
    for (const plugin of this.#plugins) {
      const reply = await this.#execute(plugin, { cniVersion: "1.1.0" }, env);
      if (reply.code !== 0) throw failure("STATUS", { id: "all" }, reply);
    }
    this.#room.count("STATUS");
  }

  #call(
    command: string,
    plugin: Record<string, unknown>,
    { id, netns, hostPort }: Container,
    prevResult: unknown,
  ): Promise<PluginReply> {
    const isGo = this.#withGo && plugin.ipam !== undefined && this.#room.random.int(2) === 0;
    if (isGo) this.#room.count("IPAM calls by the Go plugin");
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: isGo ? `${GO}:${this.#bin}` : this.#bin,
    };
    const portMappings = [{ hostPort, containerPort: 80, protocol: "tcp" }];
    const fields = {
      cniVersion: "1.0.0",
      ...(plugin.type === "portmap" ? { runtimeConfig: { portMappings } } : {}),
      ...(prevResult === undefined ? {} : { prevResult }),
    };
    return this.#execute(plugin, fields, env);
  }

  #execute(
    plugin: Record<string, unknown>,
    fields: Record<string, unknown>,
    env: Record<string, string>,
  ): Promise<PluginReply> {
    const config = { name: this.#room.network, ...plugin, ...fields };
    return startPlugin(`${this.#bin}/${plugin.type}`, config, { ...this.#env, ...env });
  }
}

function failure(command: string, { id }: { id: string }, reply: PluginReply): Error {
  return new Error(`${command} of ${id} ended with ${reply.code}: ${reply.stdout}${reply.stderr}`);
}

/** @throws {Error} naming what is in one of two lists only, or twice in one */
function expectSame(what: string, found: readonly string[], wanted: readonly string[]): void {
  const [a, b] = [found.toSorted(), wanted.toSorted()];
  if (a.join() === b.join()) return;
  const extra = a.filter((each, i) => !b.includes(each) || a.indexOf(each) !== i);
  const missing = b.filter((each, i) => !a.includes(each) || b.indexOf(each) !== i);
  throw new Error(`${what}: nobody's ${extra.join(", ")}; missing ${missing.join(", ")}`);
}

/** The differences of what is there for containers: which addresses they had is theirs. */
function leftovers(before: Snapshot, after: Snapshot): string[] {
  return differences(before, after).filter((line) =>
    !/^left (directory|file \S+\/lock)/.test(line)
  );
}

function stormCase(backend: Backend, through: "executables" | "server"): FaultCase {
  return {
    id: `${backend}/${through}`,
    needs: [
      ...["nft", "conntrack", `${GO_PLUGINS}/host-local`],
      ...(backend === "iptables" ? ["iptables"] : []),
      ...(backend === "firewalld" ? ["firewalld", "dbus-daemon"] : []),
    ],
    async run(room) {
      const size = room.all ? WHOLE : PART;
      const bin = through === "server" ? room.residentBin : room.bin;
      await using firewalld = backend === "firewalld"
        ? await Firewalld.start(room.sandbox)
        : undefined;
      await using _server = await startResident(bin);
      const storm = new Storm(room, backend, bin, size, firewalld?.env);
      await storm.warmUp();
      const before = snapshot(room.sandbox);
      await storm.blow(size.operations);
      storm.compare();
      await storm.detachAll();
      storm.compare();
      await storm.warmUp();
      const left = leftovers(before, snapshot(room.sandbox));
      if (left.length > 0) throw new Error(`after all was detached:\n  ${left.join("\n  ")}`);
    },
  };
}

export const suite: FaultSuite = {
  title: "200 attachments by 16 workers: no duplicate, no leak, nobody waits for ever",
  share: 2,
  cases: (["iptables", "nftables", "firewalld"] as const).flatMap((backend) => [
    stormCase(backend, "executables"),
    stormCase(backend, "server"),
  ]),
};
