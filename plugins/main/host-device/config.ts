import { mac } from "../../../lib/ip/schema.ts";
import {
  boolean,
  goObject,
  type Infer,
  optional,
  optionalText,
  string,
  withDefault,
} from "../../../lib/types/schema.ts";

/** host-device's own options. The first of the selectors that is set counts. */
export const options = () =>
  goObject({
    /** Name of the interface. */
    device: withDefault(string(), ""),
    /** Its MAC address. */
    hwaddr: optionalText(mac()),
    /** Its device's directory, below `/sys/devices/`. */
    kernelpath: withDefault(string(), ""),
    /** Its PCI address, such as `0000:00:1f.6`. */
    pciBusID: withDefault(string(), ""),
    /**
     * The device is driven from user space: there is no interface to move. Known by its driver for
     * PCI devices.
     */
    DPDKMode: withDefault(boolean(), false),
    /** `deviceID`: a PCI address, or the name of an auxiliary device; in place of `pciBusID`. */
    runtimeConfig: optional(goObject({ deviceID: withDefault(string(), "") })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;
