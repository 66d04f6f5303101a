import type { LeaseState } from "../../plugins/ipam/dhcp/lease_record.ts";

/** A DHCPv4 lease of an attachment that is as good as any other, but for when it expires. */
export function sampleLease(
  attachment: LeaseState["attachment"],
  expiresAt: number,
): LeaseState {
  const mac = "02:00:00:00:00:07";
  return {
    attachment,
    interfaceId: { netns: "/n", dev: 4, ino: 5, index: 2, ifName: "eth0", mac },
    mac,
    config: { ipv4: true, ipv6: "off", provide: [], request: [] },
    v4: {
      ips: [{ address: "10.1.2.3/24" }],
      routes: [],
      dns: {},
      server: "10.1.2.1",
      serverId: "10.1.2.1",
      renewAt: 1,
      rebindAt: 2,
      expiresAt,
    },
  };
}
