/**
 * The protocol of plugin and daemon, over a Unix stream socket: one JSON object on a line
 * from the plugin, one from the daemon, and the connection ends.
 *
 *     {"protocol":2,"method":"allocate","params":{…}}
 *     {"protocol":2,"result":{…}}
 *     {"protocol":2,"error":{"code":11,"msg":"…"}}
 *
 * An error is the specification's error object. A daemon that does not know a request's `protocol`
 * says which it knows, with code 1. While an `allocate` is under way a plugin that closes the
 * connection takes it back.
 *
 * The Go plugin and its daemon speak Go's `net/rpc`: gob, a format without any definition but its
 * implementation, behind an HTTP CONNECT. Each side here recognizes the other's first line and
 * says what is wrong: a Go plugin is answered `HTTP/1.0 400` with the explanation as its reason,
 * and this plugin, answered in HTTP, says that a Go daemon has the socket. Whoever changes from one
 * to the other ends one daemon and starts the other; containers get new leases when they are
 * attached anew.
 *
 * @module
 */
import type { Attachment } from "../../../lib/types/attachment.ts";
import type { Result } from "../../../lib/types/result.ts";
import type { State } from "./binding.ts";
import type { Time } from "./time.ts";

export const PROTOCOL = 2;

/** Bytes; a line that is longer is no request and no answer. */
export const MAX_LINE = 4 * 1024 * 1024;

/** How to get addresses: what the network's configuration says. */
export interface ClientConfig {
  ipv4: boolean;
  ipv6: Ipv6Mode;
  /** DHCPv4 options to send: code and value. */
  provide: [code: number, value: string][];
  /** Codes of the DHCPv4 options to ask for: the parameter request list. */
  request: number[];
  /** The metric of every route. */
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
  /**
   * Gets a lease for an interface. Where the attachment has one already for the same interface and
   * configuration, that one is the answer. When it fails, what there was before is untouched.
   */
  allocate: {
    params: { attachment: Attachment; netns: string; config: ClientConfig };
    result: Allocation;
  };
  /** Releases a lease. No lease is no error. */
  release: { params: { attachment: Attachment }; result: Record<string, never> };
  /** Gives the current result of a lease. No valid lease is an error. */
  check: { params: { attachment: Attachment; netns: string }; result: Result };
  /** Releases a network's leases but for these. */
  gc: { params: { network: string; valid: Attachment[] }; result: Record<string, never> };
  leases: { params: Record<string, never>; result: { leases: LeaseReport[] } };
  status: { params: Record<string, never>; result: { version: string; pid: number } };
}

/** A lease that is there, and whether it is new: only then may a failing ADD release it. */
export interface Allocation {
  created: boolean;
  lease: Result;
}

/** What is known of a lease. */
export interface LeaseReport extends Attachment {
  netns: string;
  bindings: BindingReport[];
}

/** What is known of one family of a lease. Times are milliseconds since 1970. */
export interface BindingReport {
  family: 4 | 6;
  state: State;
  addresses: string[];
  server?: string;
  renewAt?: Time;
  rebindAt?: Time;
  expiresAt?: Time;
  /** Since when it has these addresses; absent where nobody knows. */
  since?: number;
  /** What went wrong last, until it went right. */
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
