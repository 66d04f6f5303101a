/**
 * static gives the addresses that its configuration states. It keeps nothing, so there is nothing
 * to give back, to check on this host or to collect.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { resultRoutes } from "../../../lib/ipam/routes.ts";
import { type AnyPlugin, type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { addresses, ipConfig, type Options, options } from "./config.ts";

const plugin: AnyPlugin = definePlugin<Options>({
  name: "static",
  options,

  add({ config, options, args }) {
    const ips = addresses(options, args, config.cniVersion).map(ipConfig);
    const { routes, dns } = options.ipam!;
    return { ips, routes: resultRoutes(routes), dns };
  },

  del() {},

  check,

  status({ config, options }) {
    addresses(options, "", config.cniVersion);
  },

  gc() {},
});

export default plugin;

/** Expects that the configured gateways are those of the previous result's addresses. */
function check(call: AttachmentCall<Options>): void {
  const { config, options, args, ifName } = call;
  const given = requirePrevResult(call).ips ?? [];
  for (const { address, gateway } of addresses(options, args, config.cniVersion)) {
    const found = given.find((ip) => Cidr.tryParse(ip.address)?.equals(address));
    if (!found || !gateway) continue;
    if (found.gateway && IpAddress.tryParse(found.gateway)?.equals(gateway)) continue;
    throw CniError.internal(
      `static: Failed to match addr ${address} on interface ${ifName}: its gateway is ` +
        `${found.gateway ?? "missing"} in prevResult and ${gateway} in the configuration`,
    );
  }
}

if (import.meta.main) await runPlugin(plugin);
