/**
 * cluster-local gives each attachment an address of every range set, which no node of the cluster
 * gives to another one: the reservations are in etcd.
 *
 * Made: the records of the attachment and of its addresses, by one transaction, and a note on this
 * node's disk. Undone: both.
 *
 * @module
 */
import { Cidr } from "../../../lib/ip/cidr.ts";
import { requestedAddresses } from "../../../lib/ipam/range_options.ts";
import { readResolvConf } from "../../../lib/ipam/resolv_conf.ts";
import { resultRoutes } from "../../../lib/ipam/routes.ts";
import { recordNetNsIfPresent } from "../../../lib/ns/recorded.ts";
import { type AddCall, type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { allocate } from "./allocate.ts";
import { attachmentOf, openSession } from "./call.ts";
import { check } from "./check.ts";
import { detach } from "./detach.ts";
import { collect } from "./gc.ts";
import { type Options, options } from "./options.ts";
import { addressSets, fixedAddresses } from "./settings.ts";
import { status } from "./status.ts";

const clusterLocal: AnyPlugin = definePlugin<Options>({
  name: "cluster-local",
  options,
  add,
  del: detach,
  check,
  status,
  gc: collect,
  reservations: async () => (await import("./reservations.ts")).reservations,
});

export default clusterLocal;

async function add(call: AddCall<Options>): Promise<Result> {
  const { options, undo } = call;
  const sets = addressSets(call);
  const asked = requestedAddresses(options, call.args);
  const requested = sets.map(({ ranges }) => {
    const index = asked.findIndex((address) => ranges.rangeOf(address));
    return index < 0 ? undefined : asked.splice(index, 1)[0];
  });
  if (asked.length > 0) {
    throw CniError.invalidConfig(
      `failed to allocate all requested IPs: ${asked.join(" ")}: they are in none of the range ` +
        `sets ${sets.map(({ ranges }) => ranges).join(" and ")}, or another one was requested of ` +
        "the same set",
    );
  }
  const { resolvConf, routes } = options.ipam!;
  const dns = resolvConf ? readResolvConf(resolvConf) : undefined;
  using session = openSession(call);
  const attachment = attachmentOf(call, session.node);
  const netns = recordNetNsIfPresent(call.netns);
  const addresses = await undo.step(
    "the addresses",
    () => allocate(session, { attachment, sets, requested, netns }),
    () => detach(call),
  );
  const given = addresses.map((address, index) => {
    const { ranges, hasGateway } = sets[index]!;
    const { subnet, gateway } = ranges.rangeOf(address)!;
    return {
      address: new Cidr(address, subnet.prefix).toString(),
      ...hasGateway && { gateway: gateway.toString() },
    };
  });
  return { ips: [...given, ...fixedAddresses(options.ipam!)], routes: resultRoutes(routes), dns };
}

if (import.meta.main) await runPlugin(clusterLocal);
