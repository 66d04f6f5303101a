/**
 * What every plugin that gives a container an interface is tested with.
 *
 * @module
 */
import type { NetNs } from "../../lib/ns/netns.ts";
import { addUplink, hostLocal } from "./network.ts";
import { BackgroundProcess } from "./process.ts";
import { isMade, type Sandbox } from "./sandbox.ts";

/**
 * The network's name. Plugins look for what they made in every namespace that can be seen, those of
 * other tests and of the machine's own containers too.
 */
export const NETWORK = `net-${crypto.randomUUID().slice(0, 8)}`;

/** A plugin's options, and what its interface needs of the kernel. */
export interface LinkPluginCase {
  type: string;
  options: Record<string, unknown>;
  needs: string[];
}

/** Plugins whose interface is on a parent on the host. */
export const ON_PARENT: readonly LinkPluginCase[] = [
  { type: "macvlan", options: { master: "up0" }, needs: ["kernel:macvlan"] },
  { type: "ipvlan", options: { master: "up0" }, needs: ["kernel:ipvlan"] },
  { type: "vlan", options: { master: "up0", vlanId: 7 }, needs: ["kernel:vlan"] },
];

/** Plugins whose interface is all in the container. */
export const INSIDE: readonly LinkPluginCase[] = [
  { type: "dummy", options: {}, needs: ["kernel:dummy"] },
  { type: "tap", options: {}, needs: ["kernel:tap"] },
];

/** Plugins that make a veth pair. */
export const PAIRS: readonly LinkPluginCase[] = [
  { type: "bridge", options: { bridge: "br0", isGateway: true }, needs: [] },
  { type: "ptp", options: {}, needs: [] },
];

/** A configuration with host-local. */
export function configOf({ type, options }: LinkPluginCase): Record<string, unknown> {
  return { cniVersion: "1.1.0", name: NETWORK, type, ipam: hostLocal, ...options };
}

/** What the host needs to have. */
export function prepare(sandbox: Sandbox): void {
  addUplink(sandbox);
}

/** A namespace whose name is gone, and which only a process keeps alive. */
export class KeptNetNs implements AsyncDisposable {
  readonly #keeper: BackgroundProcess;

  private constructor(keeper: BackgroundProcess) {
    this.#keeper = keeper;
  }

  /** Starts a process in a container's namespace, and takes its name away. */
  static async of(sandbox: Sandbox, netns: NetNs): Promise<KeptNetNs> {
    const keeper = new BackgroundProcess("sleep", ["1000"], { netns });
    sandbox.run("ip", ["netns", "del", netns.path.split("/").at(-1)!]);
    netns[Symbol.dispose]();
    const path = `/proc/${keeper.pid}/comm`;
    await keeper.until(() => Deno.readTextFileSync(path) === "sleep\n", "a process inside");
    return new KeptNetNs(keeper);
  }

  /** A path that leads there. */
  get path(): string {
    return `/proc/${this.#keeper.pid}/ns/net`;
  }

  /** The names of its interfaces, without `lo` and those the kernel makes by itself. */
  links(sandbox: Sandbox): string[] {
    const args = ["-t", String(this.#keeper.pid), "-n", "ip", "-j", "link", "show"];
    const links: { ifname: string }[] = JSON.parse(sandbox.run("nsenter", args));
    return links.map(({ ifname }) => ifname).filter(isMade);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper[Symbol.asyncDispose]();
  }
}
