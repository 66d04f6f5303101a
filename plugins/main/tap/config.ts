import {
  boolean,
  goObject,
  type Infer,
  integer,
  optional,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";

const id = () => optional(integer({ min: 0, max: 0xffffffff }));

/** tap's own options. */
export const options = () =>
  goObject({
    /** The other end may be opened several times, a queue each. */
    multiQueue: withDefault(boolean(), false),
    /** Bytes; 0 for the kernel's default. */
    mtu: withDefault(integer({ min: 0, max: 65535 }), 0),
    /** MAC address of the interface; random when absent. The runtime's and CNI_ARGS' overrule it. */
    mac: optional(string()),
    /** User ID that may open the other end; absent for anybody who is privileged. */
    owner: id(),
    /** Group ID that may open the other end. */
    group: id(),
    /**
     * SELinux label of the other end, such as `system_u:system_r:container_t:s0`; ignored where
     * SELinux is off.
     */
    selinuxContext: withDefault(string(), ""),
    /** A bridge in the container that the interface becomes a port of. */
    bridge: withDefault(string(), ""),
    runtimeConfig: optional(goObject({ mac: optional(string()) })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;
