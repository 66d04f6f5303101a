/**
 * sbr routes packets from an interface's addresses out of that interface, independent of the main
 * routing table: source based routing, for containers with several networks.
 *
 * Made, for each address: a rule and a table of its own, filled from the main table, from
 * which the interface's routes are then removed. Undone: rules and tables; a failing ADD restores
 * the routes.
 *
 * @module
 */
import { inLockedNetNs, lockNetNs } from "../../../lib/host/netns_lock.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { isNewerContainers } from "../../../lib/attach/owner.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AddCall, type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { findOption } from "../../../lib/types/options.ts";
import type { Result } from "../../../lib/types/result.ts";
import { type Options, options, validateOptions } from "./config.ts";
import { repairs } from "./repair.ts";
import {
  addRule,
  addSourceHints,
  addTable,
  mainRoutes,
  removeMain,
  removeRoutes,
  restoreMain,
  type Step,
} from "./routing.ts";
import { findRules, ipsOf, requireSources } from "./sources.ts";

const sbr: AnyPlugin = definePlugin<Options>({
  name: "sbr",
  options,
  add,

  async del(call) {
    // Rules and tables went away with a namespace that is gone.
    await inLockedNetNs(call.netns, (sandbox) => {
      using inside = Rtnl.open(sandbox);
      const link = inside.link.find(call.ifName);
      if (link && isNewerContainers(call, sandbox, link)) return;
      const configured = findOption(call.raw, "table");
      const table = typeof configured === "number" ? configured : 0;
      const rules = findRules(inside, table, [
        ...ipsOf(call.prevResult ?? {}, call.ifName).map(({ address }) => Cidr.tryParse(address)),
        ...link ? inside.address.list({ device: link }).map(({ address }) => address) : [],
      ]);
      for (const rule of rules) inside.rule.removeIfPresent(rule);
      const filled = configured ? [] : rules.map((rule) => rule.table);
      if (link) removeRoutes(inside, link, filled);
    });
  },

  check(call) {
    const sources = requireSources(call, requirePrevResult(call));
    using sandbox = NetNs.open(call.netns);
    using inside = Rtnl.open(sandbox);
    const link = inside.link.get(call.ifName);
    const routes = inside.route.list({ device: link });
    for (const { own, gateway } of sources) {
      const rules = findRules(inside, call.options.table, [own]);
      if (rules.length === 0) {
        const table = call.options.table || "of its own";
        throw CniError.internal(`no rule sends what comes from ${own.ip} to table ${table}`);
      }
      if (call.options.table !== 0 || !gateway) continue;
      const found = routes.some(({ table, to, via }) =>
        to.prefix === 0 && via?.equals(gateway) && rules.some((rule) => rule.table === table)
      );
      if (found) continue;
      throw CniError.internal(
        `no default route by ${gateway} dev ${call.ifName} in table ${rules[0]!.table}, which is ` +
          `looked up for what comes from ${own.ip}`,
      );
    }
  },

  repairs,

  status({ options }) {
    requirePrivileges();
    try {
      validateOptions(options);
      using host = Rtnl.open();
      host.rule.list(); // refused by a kernel without policy routing
    } catch (error) {
      throw CniError.notAvailable(`sbr cannot route by source: ${CniError.from(error).message}`);
    }
  },

  gc() {
    // Rules and tables are in the containers' namespaces, and removed with them.
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { options, ifName } = call;
  const prevResult = requirePrevResult(call);
  validateOptions(options);
  const sources = requireSources(call, prevResult);
  using sandbox = NetNs.open(call.netns);
  using _lock = await lockNetNs(sandbox);
  using inside = Rtnl.open(sandbox);
  const step: Step = (what, make, remove, ambiguous = false) =>
    call.undo.step(what, () => make(inside), () =>
      inLockedNetNs(call.netns, (sandbox) => {
        using inside = Rtnl.open(sandbox);
        remove(inside);
      }), { ambiguous });

  if (options.table !== 0) {
    for (const source of sources) addRule(source, options.table, step);
    return prevResult;
  }
  const device = inside.link.get(ifName);
  const routes = mainRoutes(inside, device);
  for (const source of sources) addTable(inside, device, source, routes, step);
  if (options.keepMainRoutes) return prevResult;
  step(
    "the change of the main table",
    (inside) => {
      const leaving = options.addSourceHints
        ? addSourceHints(inside, device, sources, routes)
        : routes;
      removeMain(inside, device, leaving);
    },
    (inside) => restoreMain(inside, device, routes),
    true,
  );
  return prevResult;
}

export default sbr;

if (import.meta.main) await runPlugin(sbr);
