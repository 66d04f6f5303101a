/**
 * Every network that podman's CNI backend makes by `podman network create`, by what is made of it.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Exec } from "./observe.ts";
import type { Podman } from "./podman.ts";

/** A network, and what a container reaches there. */
export interface Variant {
  /** Arguments of `podman network create`. */
  options: readonly string[];
  reaches?: readonly string[];
}

/** Networks of the bridge plugin, by their names. The first is told nothing. */
export const BRIDGES = {
  plain: { options: [] },
  subnet: {
    options: ["--subnet", "10.80.0.0/24", "--gateway", "10.80.0.7"],
    reaches: ["10.80.0.7"],
  },
  range: {
    options: ["--subnet", "10.81.0.0/24", "--ip-range", "10.81.0.128/25"],
    reaches: ["10.81.0.1"],
  },
  dual: {
    options: ["--ipv6", "--subnet", "10.82.0.0/24", "--subnet", "fd82::/64"],
    reaches: ["10.82.0.1", "fd82::1"],
  },
  internal: { options: ["--internal", "--subnet", "10.83.0.0/24"] },
  mtu: {
    options: ["--subnet", "10.84.0.0/24", "--opt", "mtu=1400", "--label", "a=b"],
    reaches: ["10.84.0.1"],
  },
  isolated: {
    options: ["--subnet", "10.90.0.0/24", "--opt", "isolate=true", "--disable-dns"],
    reaches: ["10.90.0.1"],
  },
  apart: {
    options: ["--subnet", "10.92.0.0/24", "--opt", "isolate=true"],
    reaches: ["10.92.0.1"],
  },
  unaddressed: { options: ["--ipam-driver", "none"] },
} as const satisfies Readonly<Record<string, Variant>>;

/** Networks of the macvlan plugin on a link `uplink0`. */
export const MACVLANS = {
  macvlan: {
    options: ["--driver", "macvlan", "--subnet", "10.85.0.0/24", "--opt", "parent=uplink0"],
  },
  alone: {
    options: [
      ...["--driver", "macvlan", "--ipv6", "--subnet", "fd86::/64", "--gateway", "fd86::7"],
      ...["--opt", "parent=uplink0", "--opt", "mode=private", "--opt", "mtu=1400"],
    ],
  },
} as const satisfies Readonly<Record<string, Variant>>;

/**
 * Networks of links that many kernels lack. podman takes no `parent` for ipvlan, whose link then is
 * that of the default route.
 */
export const OTHER_LINKS = {
  vlan: {
    options: ["--subnet", "10.87.0.0/24", "--opt", "vlan=5"],
    reaches: ["10.87.0.1"],
  },
  ipvlan: { options: ["--driver", "ipvlan", "--subnet", "10.86.0.0/24"] },
  l3: {
    options: [
      ...["--driver", "ipvlan", "--ipv6", "--subnet", "10.91.0.0/24", "--subnet", "fd91::/64"],
      ...["--opt", "mode=l3", "--opt", "mtu=1400"],
    ],
  },
} as const satisfies Readonly<Record<string, Variant>>;

/** What podman 4 says of what it cannot make with CNI. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  "unsupported network option parent": ["--driver", "ipvlan", "--opt", "parent=lo"],
  "unsupported network option metric": ["--opt", "metric=5"],
  "unsupported driver vrf": ["--driver", "vrf"],
};

/** Asks for what podman cannot make, which it must refuse by itself. */
export async function assertRefused(podman: Podman): Promise<void> {
  for (const [message, options] of Object.entries(REFUSED)) {
    await assertRejects(() => podman.run("network", "create", ...options, "no"), Error, message);
  }
}

/** Checks that an isolated network's container is reached there, and from no other isolated one. */
export async function assertIsolated(
  address: string,
  insider: Exec,
  outsider: Exec,
): Promise<void> {
  const fetch = (
    seconds: number,
  ) => ["timeout", `${seconds}`, "wget", "-qO-", `http://${address}/`];
  assertEquals(await insider(...fetch(60)), "served");
  const answer = await outsider(...fetch(5)).catch(() => "none");
  assert(answer === "none", `another network's container gets ${answer} from ${address}`);
}
