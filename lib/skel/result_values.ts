/**
 * Checks the values of a result beyond their types: addresses must parse, and names must be valid
 * for interfaces. They go into routes, firewall rules and paths of sysctls.
 *
 * @module
 */
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { mismatch } from "../types/fields.ts";
import { ALT_IF_NAME_BYTES, validateIfName } from "../types/names.ts";
import type { Interface, IpConfig, Result, ResultRoute } from "../types/result.ts";

/** Describes the first invalid value in a sentence; undefined where all are valid. */
export function wrongValue(result: Result): string | undefined {
  const { interfaces = [], ips = [], routes = [] } = result;
  const wrongInterface = interfaces.find((each) => !isInterface(each));
  if (wrongInterface) {
    const path = `interfaces[${interfaces.indexOf(wrongInterface)}].name`;
    return mismatch(path, wrongInterface.name, "a name that an interface can have");
  }
  const addresses =
    'an address with its prefix length, and "gateway" an address, where there is one';
  const wrongIp = ips.find((each) => !isIpConfig(each));
  if (wrongIp) return mismatch(`ips[${ips.indexOf(wrongIp)}].address`, textOf(wrongIp), addresses);
  const networks = 'a network with its prefix length, and "gw" an address, where there is one';
  const wrongRoute = routes.find((each) => !isRoute(each));
  return wrongRoute &&
    mismatch(`routes[${routes.indexOf(wrongRoute)}].dst`, textOf(wrongRoute), networks);
}

/** Removes the invalid values from a result; indices into `interfaces` stay valid. */
export function withoutWrongValues(result: Result): Result {
  const { interfaces, ips, routes } = result;
  return {
    ...result,
    ...interfaces && {
      interfaces: interfaces.map((each) => isInterface(each) ? each : { ...each, name: "" }),
    },
    ...ips && { ips: ips.filter(isIpConfig) },
    ...routes && { routes: routes.filter(isRoute) },
  };
}

/**
 * Tells whether the interface's name is valid; one that is not the kernel's may have any name, or
 * none.
 */
function isInterface({ name, socketPath, pciID }: Interface): boolean {
  if (name === "" || socketPath || pciID) return !/\p{Cc}/u.test(name);
  try {
    validateIfName(name, ALT_IF_NAME_BYTES);
    return true;
  } catch {
    return false;
  }
}

function isIpConfig({ address, gateway }: IpConfig): boolean {
  return Cidr.tryParse(address) !== undefined && isAddress(gateway);
}

function isRoute({ dst, gw }: ResultRoute): boolean {
  return Cidr.tryParse(dst) !== undefined && isAddress(gw);
}

function isAddress(text: string | undefined): boolean {
  return !text || IpAddress.tryParse(text) !== undefined;
}

function textOf(entry: IpConfig | ResultRoute): string {
  const { address, dst, gateway, gw } = entry as Partial<IpConfig & ResultRoute>;
  return [address ?? dst, gateway ?? gw].filter(Boolean).join(" by ");
}
