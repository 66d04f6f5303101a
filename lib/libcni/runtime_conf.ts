import { validateContainerId, validateIfName } from "../types/names.ts";
import type { JsonObject } from "../types/json.ts";

/** A runtime's parameters of an attachment: a container, and the interface that it gets. */
export interface RuntimeConf {
  /** CNI_CONTAINERID. */
  containerId: string;
  /** Path of the container's network namespace; "" when it is gone, which only DEL accepts. */
  netns: string;
  /** The interface's name in the container: CNI_IFNAME. */
  ifName: string;
  /** CNI_ARGS. */
  args?: readonly (readonly [key: string, value: string])[];
  /** Values for capabilities, by name. Each plugin gets those that its configuration asks for. */
  capabilityArgs?: JsonObject;
  /** Where results are kept, when the options of the {@linkcode Cni} object do not say. */
  cacheDir?: string;
}

/** Checks the names, which become parts of paths. @throws {CniError} code 3 or 4 */
export function validateRuntimeConf(
  { containerId, ifName }: Pick<RuntimeConf, "containerId" | "ifName">,
): void {
  validateContainerId(containerId);
  validateIfName(ifName);
}
