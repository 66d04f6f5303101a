/**
 * firewall lets a container's packets through where the host forwards nothing else, and keeps
 * bridges apart where its policy says so. It comes behind the plugin that gave the container its
 * address, and passes that plugin's result on.
 *
 * Made, in this order: a note on disk of what is to be there; the rules. Undone: the rules, unless
 * another attachment needs them, the chains that nobody uses any more, the note. The note is what
 * `cni firewall-reload` puts rules back from, and what a DEL goes by that is told nothing.
 *
 * @module
 */
import { type Backend, withBackend } from "../../../lib/firewall/backend.ts";
import { availableBackend } from "../../../lib/firewall/available.ts";
import {
  applyFilter,
  gcFilter,
  missingOfFilter,
  revokeFilter,
} from "../../../lib/firewall/filter/mod.ts";
import { type Removal } from "../../../lib/firewall/filter/types.ts";
import {
  type FilterBackend,
  type FilterEntry,
  type IngressPolicy,
} from "../../../lib/firewall/filter/types.ts";
import { filterNotes } from "../../../lib/firewall/filter/notes.ts";
import { filterSkeleton } from "../../../lib/firewall/filter/nftables.ts";
import { firewalldRuns } from "../../../lib/firewall/filter/firewalld.ts";
import { Cidr } from "../../../lib/ip/cidr.ts";
import type { IpAddress } from "../../../lib/ip/address.ts";
import { recordNetNs } from "../../../lib/ns/recorded.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { messageOf } from "../../../lib/runtime/errors.ts";
import {
  type AddCall,
  type AttachmentCall,
  definePlugin,
  type DelCall,
} from "../../../lib/skel/plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { validateIfName } from "../../../lib/types/names.ts";
import type { Result } from "../../../lib/types/result.ts";
import { versionsFrom } from "../../../lib/types/versions.ts";
import { type Options, options, optionsForRemoval } from "./config.ts";

const firewall = definePlugin<Options>({
  name: "firewall",
  versions: versionsFrom("0.4.0"),
  options,
  add,
  del: revoke,

  async check(call) {
    const { prevResult } = call;
    if (!prevResult) throw CniError.invalidConfig("missing prevResult from earlier plugin");
    const noted = filterNotes().read(call.attachment);
    const backend = noted?.backend ?? await chooseBackend(call.options);
    const wanted = entryOf(call, prevResult, backend, noted?.enforcer ?? enforcerOf(backend));
    const missing = await missingOfFilter(wanted);
    if (missing) throw CniError.internal(`expected rule not found: ${missing}`);
    // The Go plugins leave no note, and isolate no port.
    if (noted?.policy === "isolated") expectIsolatedPorts(prevResult);
  },

  async status({ options }) {
    requirePrivileges();
    await chooseBackend(options);
  },

  async gc({ config, validAttachments }) {
    await gcFilter(config.name, validAttachments);
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { prevResult, undo, options } = call;
  if (!prevResult) throw CniError.invalidConfig("missing prevResult from earlier plugin");
  const hadRules = filterNotes().has(call.attachment);
  await undo.step(
    "the firewall's rules",
    () => apply(call, prevResult),
    () => revoke(call),
    { ambiguous: !hadRules },
  );
  if (policyOf(options) === "isolated") isolatePorts(prevResult);
  return prevResult;
}

async function apply(call: AddCall<Options>, prevResult: Result): Promise<void> {
  const { backend } = call.options;
  const zoned = backend === "firewalld" || backend === "" && firewalldRuns();
  const applyWith = (chosen: Backend) =>
    applyFilter(entryOf(call, prevResult, zoned ? "firewalld" : chosen, chosen));
  if (zoned && policyOf(call.options) === "open") return await applyWith("iptables");
  const families = addressesOf(prevResult).map(({ family }) => family);
  const wanted = backend === "firewalld" ? undefined : backend || undefined;
  await withBackend(wanted, families, applyWith);
}

/** What ADD makes, by the attachment's note or, where the Go plugins made it, by prevResult. */
async function revoke({ attachment, prevResult, raw }: DelCall): Promise<void> {
  await revokeFilter(attachment, (): Removal => {
    const options = optionsForRemoval(raw);
    const policy = policyOf(options);
    return {
      ips: (prevResult?.ips ?? []).flatMap(({ address }) => Cidr.tryParse(address)?.ip ?? []),
      bridges: prevResult && policy !== "open" ? bridgesOf(prevResult, policy) : [],
      zones: firewalldRuns() ? [zoneOf(options)] : [],
      adminChains: [adminChainOf(options)],
    };
  });
}

/**
 * The backend that is asked for, or what the host has: firewalld where it runs, since it would
 * drop what only others let through.
 * @throws {CniError} code 50 when it does not work
 */
async function chooseBackend(options: Options): Promise<FilterBackend> {
  const { backend } = options;
  if (backend === "firewalld") {
    if (firewalldRuns()) return backend;
    throw CniError.notAvailable('"backend": "firewalld": firewalld does not run; start it');
  }
  if (backend === "" && firewalldRuns()) return "firewalld";
  const option = backend ? `"backend": "${backend}"` : "firewall";
  return await availableBackend(
    backend || undefined,
    option,
    () => filterSkeleton([adminChainOf(options)]),
  );
}

function enforcerOf(backend: FilterBackend): Backend {
  return backend === "firewalld" ? "iptables" : backend;
}

function entryOf(
  call: AttachmentCall<Options>,
  result: Result,
  backend: FilterBackend,
  enforcer: Backend,
): FilterEntry {
  const policy = policyOf(call.options);
  return {
    attachment: call.attachment,
    backend,
    enforcer,
    ips: addressesOf(result),
    adminChain: adminChainOf(call.options),
    zone: zoneOf(call.options),
    policy,
    bridge: policy === "open" ? "" : bridgeOf(result, policy),
    netns: recordNetNs(call.netns),
  };
}

function addressesOf({ ips = [] }: Result): IpAddress[] {
  return ips.map(({ address }) => Cidr.parse(address).ip);
}

/** @throws {CniError} code 7 when the plugin before made no interface that could be a bridge */
function bridgeOf({ interfaces = [] }: Result, policy: IngressPolicy): string {
  const [first] = interfaces;
  if (first?.name && !first.sandbox) {
    try {
      validateIfName(first.name);
    } catch (error) {
      throw CniError.invalidConfig(`the bridge in prevResult: ${messageOf(error)}`);
    }
    return first.name;
  }
  throw CniError.invalidConfig(
    `interface needs to be set for ingress policy "${policy}", make sure to chain "firewall" ` +
      'plugin with "bridge"',
  );
}

/** As {@link bridgeOf}; none where there cannot be one. */
function bridgesOf(result: Result, policy: IngressPolicy): string[] {
  try {
    return [bridgeOf(result, policy)];
  } catch {
    return [];
  }
}

/**
 * Frames that a bridge passes on by itself meet no rules, unless the host is set up so. Between
 * isolated ports it passes none.
 */
function isolatePorts(result: Result): void {
  using host = Rtnl.open();
  for (const port of portsOf(host, result)) host.link.setPort(port, { isolated: true });
}

function expectIsolatedPorts(result: Result): void {
  using host = Rtnl.open();
  const port = portsOf(host, result).find((each) => each.port?.isolated !== 1);
  if (!port) return;
  throw CniError.internal(
    `bridge port ${port.name} is not isolated, which "ingressPolicy": "isolated" asks for; ` +
      `isolate it again: bridge link set dev ${port.name} isolated on`,
  );
}

/** The container's ports of the bridge, which is the first interface. */
function portsOf(host: Rtnl, { interfaces = [] }: Result): Link[] {
  const bridge = host.link.find(interfaces[0]!.name);
  return interfaces.flatMap(({ name, sandbox }) => {
    const port = sandbox ? undefined : host.link.find(name);
    return port && bridge && port.master === bridge.index ? [port] : [];
  });
}

function policyOf({ ingressPolicy }: Pick<Options, "ingressPolicy">): IngressPolicy {
  return ingressPolicy || "open";
}

function zoneOf({ firewalldZone }: Pick<Options, "firewalldZone">): string {
  return firewalldZone || "trusted";
}

function adminChainOf(
  { iptablesAdminChainName }: Pick<Options, "iptablesAdminChainName">,
): string {
  return iptablesAdminChainName || "CNI-ADMIN";
}

export default firewall;

if (import.meta.main) await runPlugin(firewall);
