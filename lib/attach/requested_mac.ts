import { tryParseMac } from "../ip/mac.ts";
import type { AttachmentCall } from "../skel/plugin.ts";
import { readArgs } from "../types/args.ts";
import { CniError } from "../types/error.ts";

/** Where options may ask for a MAC address. A plugin without one of these keys ignores it. */
interface MacOptions {
  mac?: string;
  args?: { cni?: { mac?: string } };
  runtimeConfig?: { mac?: string };
}

/**
 * The MAC address asked for: the runtime's, or `args`', or that of CNI_ARGS, or the configuration's,
 * the first there is.
 * @throws {CniError} code 4 or 7 naming where the address came from
 */
export function requestedMac(
  { args, options }: AttachmentCall<MacOptions>,
): string | undefined {
  const fromCniArgs = readArgs(args, ["MAC"]).MAC;
  const fromArgs = options.args?.cni?.mac;
  const fromRuntime = options.runtimeConfig?.mac;
  if (fromRuntime) return unicastMac(fromRuntime, '"runtimeConfig.mac"', CniError.invalidConfig);
  if (fromArgs) return unicastMac(fromArgs, '"args.cni.mac"', CniError.invalidConfig);
  if (fromCniArgs) return unicastMac(fromCniArgs, "MAC in CNI_ARGS", CniError.invalidEnvironment);
  if (options.mac) return unicastMac(options.mac, '"mac"', CniError.invalidConfig);
  return undefined;
}

function unicastMac(text: string, source: string, error: (msg: string) => CniError): string {
  const mac = tryParseMac(text);
  // Six bytes, not all zero, and the lowest bit of the first, "multicast", not set.
  if (mac && /^.[02468ace](:..){5}$/.test(mac) && !/^[0:]+$/.test(mac)) return mac;
  throw error(
    `${source} is ${JSON.stringify(text)}, but must be the MAC address of one interface, ` +
      'such as "0a:58:0a:01:02:03"',
  );
}
