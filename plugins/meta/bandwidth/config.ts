import type { Cidr } from "../../../lib/ip/cidr.ts";
import { cidr } from "../../../lib/ip/schema.ts";
import { type Tbf, tokenBucket } from "../../../lib/rtnl/qdisc.ts";
import { CniError } from "../../../lib/types/error.ts";
import {
  goObject,
  type Infer,
  integer,
  list,
  optional,
  uint64,
  withDefault,
} from "../../../lib/types/schema.ts";

/** The default latency of a token bucket, as in the Go plugin. Milliseconds. */
const LATENCY = 25;

/** The largest size of a token bucket. Bytes. */
const MAX_BURST = 2n ** 32n - 1n;

/** What may stand in the configuration itself, and in the runtime's `bandwidth`. */
const limits = () => ({
  /** Towards the container: bits per second; 0 is no limit. */
  ingressRate: optional(uint64()),
  /** Towards the container: bits that may pass at once; below 4 GiB. */
  ingressBurst: optional(uint64()),
  /** From the container: bits per second; 0 is no limit. */
  egressRate: optional(uint64()),
  /** From the container: bits that may pass at once; below 4 GiB. */
  egressBurst: optional(uint64()),
  /** Traffic with these networks is limited, and no other. */
  shapedSubnets: optional(list(cidr())),
  /** Traffic with these networks is not limited. */
  unshapedSubnets: optional(list(cidr())),
});

/** bandwidth's own options. */
export const options = () =>
  goObject({
    ...limits(),
    /** How long a packet may wait before it is dropped. Milliseconds; 0 for 25. */
    latency: withDefault(integer({ min: 0, max: 10_000 }), 0),
    runtimeConfig: optional(goObject({ bandwidth: optional(goObject(limits())) })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** What to limit. A direction without a bucket is not limited. */
export interface Limits {
  ingress?: Tbf;
  egress?: Tbf;
  /** The networks that {@link Limits.shapes} is about. */
  subnets: Cidr[];
  /** Which traffic is limited: that with `subnets`, or all other. */
  shapes: "subnets" | "others";
}

/**
 * The limits asked for: the configuration's where it has any rate or burst, if only 0, else the
 * runtime's.
 * @throws {CniError} code 7 naming the keys and their values
 */
export function readLimits({ latency, runtimeConfig, ...own }: Options): Limits {
  const { ingressRate, ingressBurst, egressRate, egressBurst } = own;
  const stated = [ingressRate, ingressBurst, egressRate, egressBurst].some((v) => v !== undefined);
  const wanted = stated ? own : runtimeConfig?.bandwidth ?? {};
  const shaped = wanted.shapedSubnets ?? own.shapedSubnets ?? [];
  const unshaped = wanted.unshapedSubnets ?? own.unshapedSubnets ?? [];
  if (shaped.length > 0 && unshaped.length > 0) {
    throw CniError.invalidConfig(
      'unshapedSubnets and shapedSubnets cannot be both specified: with "shapedSubnets" nothing ' +
        "else is limited in any case; remove one of them",
    );
  }
  return {
    ingress: bucket("ingress", wanted.ingressRate, wanted.ingressBurst, latency),
    egress: bucket("egress", wanted.egressRate, wanted.egressBurst, latency),
    subnets: shaped.length > 0 ? shaped : unshaped,
    shapes: shaped.length > 0 ? "subnets" : "others",
  };
}

function bucket(
  direction: "ingress" | "egress",
  rate = 0n,
  burst = 0n,
  latency: number,
): Tbf | undefined {
  const fail = (problem: string) =>
    CniError.invalidConfig(
      `${problem}: "${direction}Rate" is ${rate} bits per second, "${direction}Burst" is ${burst} bits`,
    );
  if (rate === 0n && burst === 0n) return undefined;
  if (burst === 0n) throw fail("if rate is set, burst must also be set");
  if (rate === 0n) throw fail("if burst is set, rate must also be set");
  if (burst / 8n >= MAX_BURST) throw fail("burst cannot be more than 4GB");
  if (rate < 8n || burst < 8n) throw fail("rate and burst must be at least 8, which is one byte");
  return tokenBucket(rate / 8n, Number(burst / 8n), latency || LATENCY);
}
