import { MASQUERADE_BACKENDS } from "../../../lib/firewall/masquerade/types.ts";
import {
  boolean,
  goObject,
  type Infer,
  integer,
  oneOf,
  optional,
  withDefault,
} from "../../../lib/types/schema.ts";

/** ptp's own options. */
export const options = () =>
  goObject({
    /** Bytes, of both ends; 0 keeps the kernel's default. */
    mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
    /** Give traffic that leaves the subnet the host's address. */
    ipMasq: withDefault(boolean(), false),
    /** What masquerades; what the host has when absent. */
    ipMasqBackend: optional(oneOf(MASQUERADE_BACKENDS)),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;
