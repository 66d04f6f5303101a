/**
 * What plugin and daemon say to each other over a Unix stream socket: one JSON object on a line
 * from the plugin, one from the daemon, and the connection ends.
 *
 *     {"protocol":1,"method":"allocate","params":{…}}
 *     {"protocol":1,"result":{…}}
 *     {"protocol":1,"error":{"code":11,"msg":"…"}}
 *
 * An error is the specification's error object. A daemon that does not know a request's `protocol`
 * says which it knows, with code 1. While an `allocate` is under way a plugin that closes the
 * connection takes it back.
 *
 * The Go plugin and its daemon speak Go's `net/rpc`: gob, a format without any definition but its
 * implementation, behind an HTTP CONNECT. Each side here recognizes the other world's first line
 * and says in words what is wrong: a Go plugin is answered `HTTP/1.0 400` with the explanation as
 * its reason, and this plugin, answered in HTTP, says that a Go daemon has the socket. Whoever
 * changes from one to the other ends one daemon and starts the other; containers get new leases
 * when they are attached anew.
 *
 * @module
 */
import type { Result } from "../../../lib/types/result.ts";
import type { State } from "./binding.ts";
import type { Time } from "./time.ts";

export const PROTOCOL = 1;

/** Bytes; a line that is longer is no request and no answer of ours. */
export const MAX_LINE = 4 * 1024 * 1024;

/** What a lease is for. */
export interface Key {
  containerId: string;
  network: string;
  ifName: string;
}

/** How addresses are to be got, as the network's configuration says. */
export interface Wishes {
  ipv4: boolean;
  ipv6: Ipv6Mode;
  /** DHCPv4 options to send: code and value. */
  provide: [code: number, value: string][];
  /** DHCPv4 options to ask for. */
  request: number[];
  /** For every route. */
  priority?: number;
}

/**
 * `stateful`: addresses from a DHCPv6 server. `stateless`: addresses by router advertisements, the
 * rest from a DHCPv6 server. `auto`: whichever the router's advertisements say.
 */
export const IPV6_MODES = ["off", "auto", "stateful", "stateless"] as const;
export type Ipv6Mode = typeof IPV6_MODES[number];

/** Every method, what it is given and what it answers. */
export interface Methods {
  /** Addresses for an interface; the same ones when it has a lease already. */
  allocate: { params: Key & { netns: string; wishes: Wishes }; result: Result };
  /** Gives the addresses back. No lease is no error. */
  release: { params: Key; result: Record<string, never> };
  /** Whether there is a valid lease; its current result. */
  check: { params: Key & { netns: string }; result: Result };
  /** Releases a network's leases but for these. */
  gc: {
    params: { network: string; valid: { containerID: string; ifname: string }[] };
    result: Record<string, never>;
  };
  leases: { params: Record<string, never>; result: { leases: LeaseReport[] } };
  status: { params: Record<string, never>; result: { version: string; pid: number } };
}

type Kind = "string" | "object" | "list";

const KEY = { containerId: "string", network: "string", ifName: "string" } as const;

/** What each method cannot do without, and of what kind it is. */
export const REQUIRED: Readonly<Record<Method, Readonly<Record<string, Kind>>>> = {
  allocate: { ...KEY, netns: "string", wishes: "object" },
  release: KEY,
  check: { ...KEY, netns: "string" },
  gc: { network: "string", valid: "list" },
  leases: {},
  status: {},
};

/** What is known of a lease. */
export interface LeaseReport extends Key {
  netns: string;
  bindings: BindingReport[];
}

/** What is known of one family of a lease. */
export interface BindingReport {
  family: 4 | 6;
  state: State;
  addresses: string[];
  server?: string;
  renewAt?: Time;
  rebindAt?: Time;
  expiresAt?: Time;
  problem?: string;
}

export type Method = keyof Methods;

/** A line from the plugin. */
export interface Request<M extends Method = Method> {
  protocol: number;
  method: M;
  params: Methods[M]["params"];
}

/** What the daemon says to a Go plugin, as the reason of an HTTP answer. */
export const TO_GO_PLUGIN = "this dhcp daemon does not speak the Go plugin's protocol; " +
  "use the dhcp plugin that came with it";
