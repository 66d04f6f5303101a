/** Programs that manage the host's network too. */
import { SystemBus } from "../../dbus/bus.ts";
import { firewalldRuns } from "../../firewall/filter/firewalld.ts";
import { Rtnl } from "../../rtnl/rtnl.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

const NETWORK_MANAGER = "org.freedesktop.NetworkManager";
const SETTINGS = ["/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];

/** Finds other managers of the host's network, and how to configure them. */
export async function managers({ types }: Configured): Promise<Diagnosis[]> {
  return [...docker(), ...await firewalld(), ...await networkManager(), ...await networkd(types)];
}

function docker(): Diagnosis[] {
  using host = Rtnl.open();
  if (!host.link.find("docker0")) return [];
  return [{
    state: "note",
    message: "Docker is here: it has forwarded packets dropped that it did not accept",
    remedy: 'the plugin firewall with "backend": "iptables" accepts what containers need',
  }];
}

async function firewalld(): Promise<Diagnosis[]> {
  if (!await firewalldRuns()) return [];
  return [{
    state: "note",
    message: "firewalld runs: a reload removes the rules of running containers",
    remedy: "cni firewall-reload --watch puts them back; run it as a service",
  }];
}

async function networkManager(): Promise<Diagnosis[]> {
  if (!await isOnBus(NETWORK_MANAGER)) return [];
  const settings = SETTINGS.flatMap((directory) =>
    (ifPresent(() => runtime.files.list(directory)) ?? []).map((name) =>
      ifPresent(() => runtime.files.readText(`${directory}/${name}`)) ?? ""
    )
  ).join("\n");
  const isTold = /^\s*unmanaged-devices\s*=.*(veth|cni)/m.test(settings);
  if (isTold) {
    return [{
      state: "fine",
      message: "NetworkManager runs, and leaves containers' interfaces alone",
    }];
  }
  return [{
    state: "warning",
    message: "NetworkManager runs, and may configure bridges and the host's ends of containers",
    remedy: `put into ${
      SETTINGS[0]
    }/cni.conf: [keyfile] unmanaged-devices=interface-name:veth*;interface-name:cni*`,
  }];
}

async function networkd(types: ReadonlySet<string>): Promise<Diagnosis[]> {
  if (!await isOnBus("org.freedesktop.network1")) return [];
  const removed = ["sbr", "vrf"].filter((type) => types.has(type));
  return [{
    state: removed.length > 0 ? "warning" : "note",
    message: "systemd-networkd runs: it removes routing rules and routes that are not its own",
    remedy: "ManageForeignRoutingPolicyRules=no and ManageForeignRoutes=no in networkd.conf(5)",
  }];
}

async function isOnBus(name: string): Promise<boolean> {
  try {
    using bus = await SystemBus.connect();
    return await bus?.hasOwner(name) ?? false;
  } catch {
    return false; // Without the bus nothing is known of its services.
  }
}
