/** A network whose ADD sends netlink requests and rules, calls another plugin and writes files. */
export const OBSERVED_NETWORK = {
  cniVersion: "1.1.0",
  name: "net",
  type: "bridge",
  isGateway: true,
  ipMasq: true,
  ipMasqBackend: "nftables",
  ipam: { type: "host-local", ranges: [[{ subnet: "10.1.0.0/24" }]] },
};
