import { parentOptions } from "../../../lib/attach/parent.ts";
import {
  goObject,
  type Infer,
  integer,
  oneOf,
  optional,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";

/** Modes as the kernel numbers them. `linux/if_link.h` */
export const MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/** macvlan's own options. */
export const options = () =>
  goObject({
    ...parentOptions(),
    /** Who reaches whom over the parent. */
    mode: withDefault(oneOf(["", "bridge", "private", "vepa", "passthru"]), "bridge"),
    /**
     * MAC address of the container's interface; the one that belongs to its IP address when absent.
     * `MAC` in CNI_ARGS and the runtime's overrule it.
     */
    mac: optional(string()),
    /**
     * Packets: how many broadcasts may wait for being copied to every container; 0 for the kernel's
     * default.
     */
    bcqueuelen: withDefault(integer({ min: 0, max: 0xffffffff }), 0),
    /**
     * Broadcast addresses with at most this many receivers are not queued; −1 queues none, 0 all.
     * Kernels before 6.4 ignore it.
     */
    bclim: optional(integer({ min: -1, max: 0x7fffffff })),
    runtimeConfig: optional(goObject({ mac: optional(string()) })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** The mode that was asked for, or the default. */
export function modeOf({ mode }: Options): keyof typeof MODES {
  return mode || "bridge";
}

/** Whether the container has the parent for itself. */
export function isPassthru(options: Options): boolean {
  return modeOf(options) === "passthru";
}
