import { assertEquals, assertMatch } from "@std/assert";
import { hostLocal } from "../support/network.ts";
import { outputWithInput, plugin, pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const base = { cniVersion: "1.1.0", name: "net" };
/** Every plugin that changes interfaces, with a configuration that STATUS is content with. */
const PRIVILEGED: Record<string, { config: object; needs?: string[] }> = {
  bridge: { config: { ipam: hostLocal } },
  ptp: { config: { ipam: hostLocal } },
  macvlan: { config: { master: "up0", ipam: hostLocal } },
  ipvlan: { config: { master: "up0", ipam: hostLocal } },
  vlan: { config: { master: "up0", vlanId: 7, ipam: hostLocal } },
  dummy: { config: { ipam: hostLocal } },
  tap: { config: { ipam: hostLocal } },
  "host-device": { config: { device: "up0" } },
  loopback: { config: {} },
  portmap: { config: {}, needs: ["iptables"] },
  firewall: { config: {}, needs: ["iptables"] },
  bandwidth: { config: {} },
  tuning: { config: {} },
  sbr: { config: {} },
  vrf: { config: { vrfname: "red" }, needs: ["kernel:vrf"] },
};
/** Those that only give addresses. */
const UNPRIVILEGED = {
  "host-local": hostLocal,
  static: { addresses: [{ address: "10.1.0.2/24" }] },
};

function statusWithout(capability: string, type: string, config: object) {
  const env = { PATH: Deno.env.get("PATH")!, CNI_COMMAND: "STATUS", CNI_PATH: pluginDirectory() };
  const cache = Deno.env.get("DENO_DIR");
  return outputWithInput(
    "setpriv",
    JSON.stringify({ ...base, type, ...config }),
    { ...env, HOME: Deno.env.get("HOME") ?? "/", ...cache ? { DENO_DIR: cache } : {} },
    [`--bounding-set=-${capability}`, `${pluginDirectory()}/${type}`],
  );
}

for (const [type, { config, needs }] of Object.entries(PRIVILEGED)) {
  kernelTest(`${type}: STATUS is 50 without the privilege to serve`, (sandbox) => {
    sandbox.run("ip", ["link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
    plugin(sandbox, { command: "STATUS", config: { ...base, type, ...config } });
    for (const capability of ["net_admin", "sys_admin"]) {
      const { code, stdout } = statusWithout(capability, type, config);
      const error = JSON.parse(stdout || "{}");
      assertEquals([code, error.code], [1, 50], stdout);
      assertMatch(error.msg, new RegExp(`CAP_${capability}`, "i"));
    }
  }, { needs: [...needs ?? [], "setpriv"] });
}

for (const [type, ipam] of Object.entries(UNPRIVILEGED)) {
  kernelTest(`${type}: STATUS needs no privilege`, () => {
    for (const capability of ["net_admin", "sys_admin"]) {
      assertEquals(statusWithout(capability, type, { ipam }).code, 0);
    }
  }, { needs: ["setpriv"] });
}
