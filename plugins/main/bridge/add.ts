import { requestedMac } from "../../../lib/attach/requested_mac.ts";
import { reserve } from "../../../lib/attach/reserve.ts";
import { takeBackPair } from "../../../lib/attach/veth_pair.ts";
import { enableForwarding } from "../../../lib/host/forwarding.ts";
import { trySysctl } from "../../../lib/ns/sysctl.ts";
import { macForAddresses } from "../../../lib/ip/mac.ts";
import { addressOf, configureInterface } from "../../../lib/ipam/configure.ts";
import { hasIpam } from "../../../lib/ipam/delegate.ts";
import { chooseDns } from "../../../lib/ipam/dns.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link, NamedLink } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { addVethPair, nameTaken } from "../../../lib/rtnl/veth.ts";
import type { AddCall } from "../../../lib/skel/plugin.ts";
import type { Interface, Result } from "../../../lib/types/result.ts";
import { UnknownOutcome } from "../../../lib/types/unknown_outcome.ts";
import { awaitPort } from "./await_port.ts";
import { ensureBridge, findBridge } from "./bridge.ts";
import {
  isGateway,
  type Options,
  trunkVlans,
  validateNewNames,
  validateOptions,
} from "./config.ts";
import { loadMasquerading, loadSpoofCheck } from "./filters.ts";
import {
  addGateways,
  gatewayAddresses,
  type GatewayTarget,
  withDefaultRoutes,
  withGateways,
} from "./gateway.ts";
import { setPortVlans } from "./port_vlans.ts";

/** Index of the container's interface in the result. */
const CONTAINER = 2;

/** The container's end of the pair. */
interface ContainerEnd {
  sandbox: NetNs;
  inside: Rtnl;
  near: Link;
  /** The requested MAC address. */
  mac: string | undefined;
}

/** The parts of a result beside the pair. */
interface Attached {
  result: Result;
  /** The name of `BRIDGE.VLAN`, where there is one. */
  vlanInterface?: string;
  /** The container's interface, where it has been given its addresses. */
  configured?: Link;
}

/** Attaches a container. @throws {CniError} */
export async function add(call: AddCall<Options>): Promise<Result> {
  const { ifName, netns, options, undo } = call;
  validateOptions(call);
  const mac = requestedMac(call);
  using here = NetNs.current();
  using sandbox = NetNs.open(netns);
  using host = Rtnl.open(); // a socket keeps the namespace it was opened in:
  using inside = Rtnl.open(sandbox); // from here on little has to switch namespaces
  const found = await findBridge(host, options.bridge);
  validateNewNames(call, found);
  // Where there is a bridge, the kernel's refusal of the pair says so in time.
  const present = found ? undefined : await inside.link.findMeanwhile(ifName);
  if (present) throw nameTaken(present);

  const bridge = await ensureBridge(host, found, options, undo);
  const wanted = {
    inside,
    host,
    hostNs: here,
    name: ifName,
    mtu: options.mtu || undefined,
    address: mac,
    master: bridge,
    attachment: call.attachment,
  };
  const { near, far } = await undo.step("the veth pair", () => addVethPair(wanted), takeBackPair);
  const { hairpinMode: hairpin, portIsolation: isolated } = options;
  if (hairpin || isolated) host.link.setPort(far, { hairpin, isolated });
  setPortVlans(host, bridge, far, { ...options, trunk: trunkVlans(options) });

  const container = { sandbox, inside, near, mac };
  const target = { host, hostNs: here, bridge, port: far, options, undo };
  const { result, vlanInterface, configured } = hasIpam(call)
    ? await addLayer3(call, container, target)
    : await addLayer2(call, container, far);
  const port = options.disableContainerInterface
    ? await host.link.getMeanwhile(far)
    : await awaitPort(host.link, far);

  const interfaces: Interface[] = [
    // Read last: another attachment may have given it its MAC address.
    { name: bridge.name, mac: host.link.hardwareAddress(bridge) },
    describe(port),
    { ...describe(configured ?? inside.link.get(near)), sandbox: netns },
  ];
  if (vlanInterface) interfaces.push(describe(host.link.get(vlanInterface)));
  return { ...result, interfaces, dns: chooseDns(call.config.dns, result.dns) };
}

/** Completes an ADD without IPAM. */
async function addLayer2(
  call: AddCall<Options>,
  { inside, near }: ContainerEnd,
  port: NamedLink,
): Promise<Attached> {
  const { options } = call;
  if (options.macspoofchk) await guardAddress(call, port, near.address);
  if (!options.disableContainerInterface) inside.link.set(near, { up: true });
  return { result: {} };
}

/** Completes an ADD with IPAM: addresses, routes, gateway and masquerading. */
async function addLayer3(
  call: AddCall<Options>,
  { sandbox, inside, near, mac }: ContainerEnd,
  target: GatewayTarget,
): Promise<Attached> {
  const { ifName, options, undo } = call;
  const reserved = await reserve(call);
  const ips = withGateways(reserved.ips, options).map((ip) => ({ ...ip, interface: CONTAINER }));
  const routes = withDefaultRoutes(reserved.routes ?? [], ips, options);
  const result = { ips, routes, dns: reserved.dns };
  const addresses = ips.map(addressOf);
  const gateways = isGateway(options) ? gatewayAddresses(ips) : [];

  // An interface that is up was used by DHCP, whose lease may belong to its MAC address.
  const link = inside.link.isUp(near) ? await inside.link.getMeanwhile(near) : near;
  const own = mac || link.up ? undefined : macForAddresses(addresses.map(({ ip }) => ip));
  if (options.macspoofchk) await guardAddress(call, target.port, own ?? link.address);
  sandbox.run(() => tuneInterface(ifName, options));
  // With accept_dad off addresses are usable at once, without the flag that "no DAD" would leave.
  const end = { inside, netns: sandbox, ifName, noDad: false, arpNotify: true, link, mac: own };
  const configured = await configureInterface(end, result);

  let vlanInterface: string | undefined;
  if (gateways.length > 0) {
    vlanInterface = await addGateways(target, gateways);
    enableForwarding(gateways.map(({ ip }) => ip.family));
  }
  if (options.ipMasq) {
    const { masqueradeStep } = await loadMasquerading();
    await masqueradeStep(undo, options.ipMasqBackend, call.attachment, addresses, call.netns);
  }
  return { result, vlanInterface, configured };
}

async function guardAddress(call: AddCall<Options>, port: NamedLink, mac: string): Promise<void> {
  const { addSpoofCheck, findSpoofCheck, takeBackSpoofCheck } = await loadSpoofCheck();
  const earlier = findSpoofCheck(call.attachment);
  await call.undo.step(
    "the filter of forged MAC addresses",
    () => addSpoofCheck(call.attachment, port.name, mac),
    () => takeBackSpoofCheck(call.attachment, earlier),
    { ambiguous: (error) => error instanceof UnknownOutcome },
  );
}

/** Looks for duplicates of IPv6 addresses, or not. */
function tuneInterface(ifName: string, { enabledad }: Options): void {
  if (enabledad) trySysctl(`net/ipv6/conf/${ifName}/enhanced_dad`, "1");
  trySysctl(`net/ipv6/conf/${ifName}/accept_dad`, enabledad ? "1" : "0");
}

function describe({ name, address }: Link): Interface {
  return { name, mac: address };
}
