import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";
import {
  INGRESS_HANDLE,
  QDISC,
  type QdiscMessage,
  RTM_DELQDISC,
  RTM_GETQDISC,
  RTM_NEWQDISC,
  TC_H_INGRESS,
  TC_H_ROOT,
} from "../netlink/tc.ts";
import { type Link, nameOf } from "./link.ts";
import { NetlinkError } from "../nl/error.ts";
import { readAnswers } from "../nl/answers.ts";
import type { NetlinkSocket } from "../nl/socket.ts";

/** PSCHED_SHIFT of `net/pkt_sched.h`: a tick of traffic control is 64 ns, on every kernel since 2.6.31. */
const TICK_NS = 64;
const TC_LINKLAYER_ETHERNET = 1;
const MAX_U32 = 2 ** 32 - 1;
/** The handle `1:`. */
const ROOT_HANDLE = 0x10000;

/** What a token bucket filter is set to: tc-tbf(8). */
export interface Tbf {
  /** Bytes per second. */
  rate: bigint;
  /** Bytes that may wait. */
  limit: number;
  /** How long a full bucket lasts at `rate`, in ticks of 64 ns. */
  buffer: number;
}

/** A queueing discipline as the kernel has it. */
export interface Qdisc {
  /** Index of the interface. */
  device: number;
  /** `tbf`, `ingress`, `clsact`, `noqueue`, … */
  kind: string;
  /** The major number is in the upper half: 0x10000 is `1:`. */
  handle: number;
  /** TC_H_*, or the handle of the discipline it is within. */
  parent: number;
  /** What a `tbf` is set to. */
  tbf?: Tbf;
}

/** Queueing disciplines. Every method throws {@link NetlinkError} where the kernel refuses. */
export class Qdiscs {
  /** `Rtnl` makes one. */
  constructor(private readonly socket: NetlinkSocket) {}

  /** `tc qdisc show dev DEVICE` */
  list(device: Link): Qdisc[] {
    const purpose = `list the queueing disciplines of ${nameOf(device)}`;
    const payload = QDISC.encode({ index: device.index });
    const answers = this.socket.dump({ type: RTM_GETQDISC, payload, purpose });
    return readAnswers(answers, purpose, (answer) => fromMessage(QDISC.decode(answer)))
      .filter((qdisc) => qdisc.device === device.index);
  }

  /**
   * `tc qdisc add dev DEVICE root handle 1: tbf rate RATE burst BURST limit LIMIT`
   * @throws {NetlinkError} EEXIST when the device has a root discipline of somebody's already
   */
  addTbf(device: Link, { rate, limit, buffer }: Tbf): void {
    const short = rate < BigInt(MAX_U32) ? Number(rate) : MAX_U32;
    this.#send(RTM_NEWQDISC, `add a token bucket of ${rate} bytes/s to ${nameOf(device)}`, {
      index: device.index,
      handle: ROOT_HANDLE,
      parent: TC_H_ROOT,
      kind: "tbf",
      options: {
        parameters: { ...NO_TBF, linkLayer: TC_LINKLAYER_ETHERNET, rate: short, limit, buffer },
        rate64: short === MAX_U32 ? rate : undefined,
      },
    });
  }

  /**
   * `tc qdisc add dev DEVICE ingress|clsact`: what filters of traffic that arrives are attached to,
   * and with clsact those of traffic that leaves.
   */
  addIngress(device: Link, kind: "ingress" | "clsact"): void {
    this.#send(RTM_NEWQDISC, `add the ${kind} discipline to ${nameOf(device)}`, {
      index: device.index,
      handle: INGRESS_HANDLE,
      parent: TC_H_INGRESS,
      kind,
    });
  }

  /** `tc qdisc del dev DEVICE root handle 1: tbf`; where there is another, or none, that is fine. */
  removeTbfIfPresent(device: Link): void {
    this.#removeIfPresent(device, { kind: "tbf", handle: ROOT_HANDLE, parent: TC_H_ROOT });
  }

  /** `tc qdisc del dev DEVICE ingress`, or clsact, with its filters; none there is fine. */
  removeIngressIfPresent(device: Link): void {
    this.#removeIfPresent(device, { handle: INGRESS_HANDLE, parent: TC_H_INGRESS });
  }

  #removeIfPresent(device: Link, message: QdiscMessage): void {
    try {
      this.#send(RTM_DELQDISC, `remove a queueing discipline of ${nameOf(device)}`, {
        index: device.index,
        ...message,
      });
    } catch (error) {
      // EINVAL: what is there has another kind or handle.
      const fine = ["ENOENT", "EINVAL", "ENODEV"];
      if (!(error instanceof NetlinkError && fine.includes(error.code))) throw error;
    }
  }

  #send(type: number, purpose: string, message: QdiscMessage): void {
    const flags = type === RTM_NEWQDISC ? NLM_F_CREATE | NLM_F_EXCL : 0;
    this.socket.request({ type, flags, payload: QDISC.encode(message), purpose });
  }
}

/**
 * A token bucket's numbers, as the Go plugin computes them.
 * @param rate bytes per second, at least 1
 * @param burst bytes
 * @param latencyMs how long a packet may wait for its turn at most; more are dropped
 */
export function tokenBucket(rate: bigint, burst: number, latencyMs: number): Tbf {
  const micros = Math.max(1, Math.floor(burst * 1e6 / Number(rate)));
  return {
    rate,
    limit: Math.min(Math.floor(Number(rate) * latencyMs / 1000) + burst, MAX_U32),
    buffer: Math.min(Math.floor(micros * 1000 / TICK_NS), MAX_U32),
  };
}

const NO_TBF = {
  cellLog: 0,
  linkLayer: 0,
  overhead: 0,
  cellAlign: 0,
  mpu: 0,
  rate: 0,
  peakCellLog: 0,
  peakLinkLayer: 0,
  peakOverhead: 0,
  peakCellAlign: 0,
  peakMpu: 0,
  peakRate: 0,
  limit: 0,
  buffer: 0,
  mtu: 0,
};

function fromMessage(
  { index = 0, kind = "", handle = 0, parent = 0, options }: QdiscMessage,
): Qdisc {
  const parameters = options?.parameters;
  return {
    device: index,
    kind,
    handle,
    parent,
    tbf: parameters && {
      rate: options.rate64 ?? BigInt(parameters.rate),
      limit: parameters.limit,
      buffer: parameters.buffer,
    },
  };
}
