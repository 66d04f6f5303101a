import type { NetNs } from "../../../../lib/ns/netns.ts";
import type { PluginReply } from "../../plugins.ts";
import { startPlugin } from "../concurrent.ts";
import type { FaultRoom } from "../suite.ts";

/** A container, and what is known of it. */
export interface Person {
  readonly id: string;
  readonly netns: NetNs;
  readonly network: "one" | "two";
  readonly hostPort: number;
  isBusy: boolean;
  /** The result of its ADD, where it is attached. */
  result?: { ips: { address: string }[] };
}

/** The backends of a crowd's networks. */
export interface Backends {
  /** Of masquerading and published ports. */
  readonly rules: string;
  readonly filter: string;
}

/** Containers of two networks that come and go, with masquerading, a published port and a policy. */
export class Crowd {
  readonly people: readonly Person[];
  readonly #room: FaultRoom;
  readonly #backends: Backends;
  readonly #env: Record<string, string>;
  #operations = 0;
  /** Addresses that were ever given out. */
  readonly #addresses = new Set<string>();

  constructor(room: FaultRoom, size: number, backends: Backends, env: Record<string, string>) {
    this.#room = room;
    this.#backends = backends;
    this.#env = env;
    this.people = Array.from({ length: size }, (_, i) => {
      const id = `person${i}`;
      const network = i % 2 === 0 ? "one" : "two";
      const netns = room.sandbox.container(id);
      return { id, netns, network, hostPort: 20_000 + i, isBusy: false };
    });
  }

  /** How many ADDs and DELs workers have done. */
  get operations(): number {
    return this.#operations;
  }

  get living(): Person[] {
    return this.people.filter(({ result }) => result !== undefined);
  }

  /** What rules of those that are gone would be about: addresses and ports. */
  get traces(): string[] {
    const addresses = this.living.flatMap(({ result }) => addressesOf(result!));
    return [
      ...[...this.#addresses].filter((each) => !addresses.includes(each)),
      ...this.people.filter(({ result }) => !result).map(({ hostPort }) => `${hostPort}`),
    ];
  }

  /** Workers attach and detach until `isOver`. */
  async comeAndGo(workers: number, isOver: () => boolean): Promise<void> {
    const work = async () => {
      while (!isOver()) {
        const idle = this.people.filter(({ isBusy }) => !isBusy);
        const one = this.#room.random.pick(idle);
        one.isBusy = true;
        if (one.result) await this.detach(one);
        else await this.attach(one, true);
        one.isBusy = false;
        this.#operations++;
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
  }

  /** @param mayFail whether an error of ADD's is followed by DEL, as runtimes do */
  async attach(one: Person, mayFail = false): Promise<void> {
    let prevResult: unknown;
    for (const plugin of this.#plugins(one)) {
      const reply = await this.#call("ADD", plugin, one, prevResult);
      if (reply.code !== 0) {
        if (!mayFail || typeof reply.json?.code !== "number") throw failure("ADD", one, reply);
        this.#room.count("ADD that failed");
        return await this.detach(one);
      }
      prevResult = reply.json;
      if (plugin.ipam) { for (const each of addressesOf(reply.json)) this.#addresses.add(each); }
    }
    one.result = prevResult as Person["result"];
    this.#room.count("ADD");
  }

  async detach(one: Person): Promise<void> {
    for (const plugin of this.#plugins(one).toReversed()) {
      const reply = await this.#call("DEL", plugin, one, one.result);
      if (reply.code !== 0) throw failure("DEL", one, reply);
    }
    one.result = undefined;
    this.#room.count("DEL");
  }

  /** @throws {Error} what of an attachment is not as ADD made it */
  async check(one: Person): Promise<void> {
    for (const plugin of this.#plugins(one)) {
      const reply = await this.#call("CHECK", plugin, one, one.result);
      if (reply.code !== 0) throw failure("CHECK", one, reply);
    }
    this.#room.count("CHECK");
  }

  /** Runs `firewall-reload --once`. @throws {Error} when it fails */
  async reload(): Promise<string> {
    const output = await new Deno.Command(`${this.#room.bin}/firewall-reload`, {
      args: ["--once"],
      env: this.#env,
      clearEnv: true,
      stdin: "null",
    }).output();
    const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    if (!output.success) throw new Error(`firewall-reload --once: ${stdout}${stderr}`);
    return stdout!;
  }

  #plugins({ network, hostPort }: Person): Record<string, unknown>[] {
    const { rules, filter } = this.#backends;
    const [ipv4, ipv6] = network === "one"
      ? ["10.7.1.0/24", "fd00:7:1::/64"]
      : ["10.7.2.0/24", "fd00:7:2::/64"];
    const mapping = { hostPort, containerPort: 80, protocol: "udp" };
    return [
      {
        type: "bridge",
        bridge: `br-${network}`,
        isGateway: true,
        ipMasq: true,
        ipMasqBackend: rules,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: ipv4 }], [{ subnet: ipv6 }]],
          routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
        },
      },
      { type: "portmap", backend: rules, runtimeConfig: { portMappings: [mapping] } },
      { type: "firewall", backend: filter, ingressPolicy: "same-bridge" },
    ].map((plugin) => ({ cniVersion: "1.1.0", name: network, ...plugin }));
  }

  #call(
    command: string,
    plugin: Record<string, unknown>,
    { id, netns }: Person,
    prevResult: unknown,
  ): Promise<PluginReply> {
    const { bin } = this.#room;
    const config = { ...plugin, ...(prevResult === undefined ? {} : { prevResult }) };
    return startPlugin(`${bin}/${plugin.type}`, config, {
      ...this.#env,
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: netns.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: bin,
    });
  }
}

/** A result's addresses, without prefix lengths. */
export function addressesOf(result: { ips: { address: string }[] }): string[] {
  return result.ips.map(({ address }) => address.split("/")[0]!);
}

function failure(command: string, { id }: Person, reply: PluginReply): Error {
  return new Error(`${command} of ${id} ended with ${reply.code}: ${reply.stdout}${reply.stderr}`);
}
