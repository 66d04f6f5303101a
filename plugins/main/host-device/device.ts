/**
 * Selects one of the host's devices.
 *
 * @module
 */
import type { Link } from "../../../lib/rtnl/link.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { ifPresent, messageOf } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Options } from "./config.ts";

const PCI = "/sys/bus/pci/devices";
const AUXILIARY = "/sys/bus/auxiliary/devices";

/** Drivers that hand a device to a program in user space. */
const USER_SPACE_DRIVERS = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/** A selector of a device, and its kind. */
export type Selector =
  | { by: "name"; name: string }
  | { by: "address"; address: string }
  /** A directory under /sys, and those in it of which one lists the interface's name. */
  | { by: "path"; what: string; device: string; directories: readonly string[] };

/** The selected device, and whether a program in user space drives it. */
export interface Selection {
  selector: Selector;
  dpdk: boolean;
}

/**
 * Reads the selectors, and whether the device has a driver for user space.
 * @throws {CniError} code 7 without a selector, or for one that is malformed
 */
export function select(options: Options): Selection {
  const address = busAddress(options);
  const dpdk = address.pci ? isDrivenFromUserSpace(address.pci) : options.DPDKMode;
  const selector = firstSelector(options, address);
  if (selector) return { selector, dpdk };
  throw CniError.invalidConfig('specify either "device", "hwaddr", "kernelpath" or "pciBusID"');
}

/**
 * The device that the configuration names; undefined where it leaves that to the runtime.
 * @throws {CniError} code 7 for a selector that is malformed
 */
export function configuredDevice(options: Options): Selector | undefined {
  return firstSelector(options, busAddress(options));
}

function firstSelector(
  { device, hwaddr, kernelpath }: Options,
  { pci, auxiliary }: BusAddress,
): Selector | undefined {
  if (device) return { by: "name", name: device };
  if (hwaddr) return { by: "address", address: hwaddr };
  if (kernelpath) return sysSelector(`kernel device ${kernelpath}`, validKernelPath(kernelpath));
  if (pci) return sysSelector(`PCI device ${pci}`, `${PCI}/${pci}`);
  if (auxiliary) return sysSelector(`auxiliary device ${auxiliary}`, `${AUXILIARY}/${auxiliary}`);
  return undefined;
}

/**
 * Makes a selector by a directory of /sys. A virtio device has its interface one directory further
 * down than others.
 */
function sysSelector(what: string, device: string): Selector {
  const virtio = (ifPresent(() => runtime.files.list(device)) ?? [])
    .filter((name) => name.startsWith("virtio"));
  const directories = [device, ...virtio.map((name) => `${device}/${name}`)]
    .map((directory) => `${directory}/net`);
  return { by: "path", what, device, directories };
}

/** Whether the host has a device at all; hardware is there even while its interface is elsewhere. */
export function isPresent(host: Rtnl, selector: Selector): boolean {
  if (selector.by === "path") return exists(selector.device);
  return findDevice(host, selector) !== undefined;
}

/** The interface of a device, where the host has it. */
export function findDevice(host: Rtnl, selector: Selector): Link | undefined {
  switch (selector.by) {
    case "name":
      return host.link.find(selector.name);
    case "address":
      return host.link.list().find(({ address }) => address === selector.address);
    case "path":
      return selector.directories
        .flatMap((directory) => ifPresent(() => runtime.files.list(directory)) ?? [])
        .map((name) => host.link.find(name)).find((link) => link !== undefined);
  }
}

/** A selector for messages: "PCI device 0000:00:1f.6". */
export function describe(selector: Selector): string {
  if (selector.by === "name") return `device ${selector.name}`;
  return selector.by === "address" ? `device with MAC ${selector.address}` : selector.what;
}

/** A device's name on the bus that it is on. */
interface BusAddress {
  pci?: string;
  auxiliary?: string;
}

/** The runtime's device, which replaces the configuration's PCI address, or that address. */
function busAddress({ pciBusID, runtimeConfig }: Options): BusAddress {
  const id = runtimeConfig?.deviceID;
  if (!id) return { pci: pciBusID && fileName(pciBusID, "pciBusID") };
  const name = fileName(id, "runtimeConfig.deviceID");
  if (exists(`${PCI}/${name}`)) return { pci: name };
  if (exists(`${AUXILIARY}/${name}`)) return { auxiliary: name };
  throw CniError.invalidConfig(
    `runtime config DeviceID ${id} not found or unsupported: neither ${PCI} nor ${AUXILIARY} has it`,
  );
}

/** Expects a name that can be part of a path. */
function fileName(text: string, option: string): string {
  if (/^[\w:-][\w:.-]*$/.test(text)) return text;
  throw CniError.invalidConfig(
    `${JSON.stringify(option)} is ${JSON.stringify(text)}, but must be the name of a device, ` +
      'such as "0000:00:1f.6"',
  );
}

function validKernelPath(path: string): string {
  if (path.startsWith("/sys/devices/") && !path.split("/").includes("..")) return path;
  throw CniError.invalidConfig(
    `kernel device path ${JSON.stringify(path)} must be absolute and begin with /sys/devices/`,
  );
}

function isDrivenFromUserSpace(pci: string): boolean {
  try {
    const driver = runtime.files.realPath(`${PCI}/${pci}/driver`);
    return USER_SPACE_DRIVERS.includes(driver.slice(driver.lastIndexOf("/") + 1));
  } catch (error) {
    throw CniError.invalidConfig(
      `error with host device: cannot read the driver of PCI device ${pci}: ${messageOf(error)}; ` +
        "is the device there, and has it got a driver?",
    );
  }
}

function exists(path: string): boolean {
  return ifPresent(() => runtime.files.stat(path)) !== undefined;
}
