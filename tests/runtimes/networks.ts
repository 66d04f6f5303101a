/** Networks that scenarios attach containers to. */

/** As containerd 1 and podman 4 take it: dual stack, and every plugin of a chain. */
export const CHAIN = {
  cniVersion: "1.0.0",
  name: "chain",
  plugins: [
    {
      type: "bridge",
      bridge: "chain0",
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd77::/64" }]],
        routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
      },
    },
    { type: "portmap", capabilities: { portMappings: true } },
    { type: "firewall" },
    { type: "bandwidth", capabilities: { bandwidth: true } },
    { type: "tuning", sysctl: { "net.core.somaxconn": "511" } },
  ],
};
/** The bridge's addresses. */
export const GATEWAYS = ["10.77.0.1", "fd77::1"];

/** A second network of a container's. It publishes no ports: the runtimes would have both do so. */
export const SECOND = {
  cniVersion: "1.0.0",
  name: "second",
  plugins: [
    {
      type: "bridge",
      bridge: "second0",
      isGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.78.0.0/24" }]] },
    },
  ],
};
