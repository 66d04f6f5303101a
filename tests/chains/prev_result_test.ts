import { assertEquals, assertStringIncludes } from "@std/assert";
import { plugin, pluginError } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const HOSTILE = "br0\n-A INPUT -s 6.6.6.6/32 -j ACCEPT";

/** Plugins that take names of prevResult into rules, paths or requests, with what makes them do so. */
const PLUGINS: Record<string, object> = {
  portmap: {
    backend: "iptables",
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
  },
  firewall: { backend: "iptables", ingressPolicy: "same-bridge" },
  bandwidth: { ingressRate: 8000, ingressBurst: 8000 },
  tuning: { mtu: 1400 },
  sbr: {},
};

for (const [type, options] of Object.entries(PLUGINS)) {
  kernelTest(`${type}: a name of prevResult is a name, and no rule and no path`, (sandbox) => {
    const netns = sandbox.container();
    for (const name of [HOSTILE, "../../../etc", "a b", "x\0y", "n".repeat(128)]) {
      const prevResult = {
        cniVersion: "1.1.0",
        interfaces: [{ name }, { name: "eth0", sandbox: netns.path }],
        ips: [{ address: "10.1.0.2/24", interface: 1 }],
      };
      const config = { cniVersion: "1.1.0", name: "net", type, ...options, prevResult };
      const before = sandbox.ruleset();
      const error = pluginError(sandbox, { command: "ADD", config, netns });
      assertEquals(error.code, 6);
      assertStringIncludes(error.msg, '"interfaces[0].name" is');
      plugin(sandbox, { command: "DEL", config, netns });
      assertEquals(sandbox.ruleset(), before);
    }
  }, { needs: ["iptables", "nft"] });
}
