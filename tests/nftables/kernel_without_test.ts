/** Kernels that lack a part of nftables: STATUS names it, so does ADD, and nothing is left. */
import { assertEquals, assertMatch } from "@std/assert";
import { plugin, pluginError } from "../support/plugins.ts";
import { eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const BRIDGE = { type: "bridge", ipam: { type: "host-local", subnet: "10.1.0.0/24" } };
const MASQUERADING = { ...BRIDGE, ipMasq: true, ipMasqBackend: "nftables" };
const MAC_FILTER = { ...BRIDGE, macspoofchk: true };
const BEHIND = {
  backend: "nftables",
  prevResult: {
    cniVersion: "1.1.0",
    interfaces: [{ name: "eth0", sandbox: "/run/netns/c1" }],
    ips: [{ address: "10.1.0.2/24", interface: 0 }],
  },
};
const PORTS = {
  ...BEHIND,
  type: "portmap",
  runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
};
const FILTER = { ...BEHIND, type: "firewall" };

/** A module that is not there, the option that builds it, and who needs it. */
const CASES = [
  ["nf_tables", "CONFIG_NF_TABLES", [MASQUERADING, PORTS, FILTER, MAC_FILTER]],
  ["nft_chain_nat", "CONFIG_NFT_NAT", [MASQUERADING, PORTS]],
  ["nft_masq", "CONFIG_NFT_MASQ", [MASQUERADING, PORTS]],
  ["nft_nat", "CONFIG_NFT_NAT", [PORTS]],
  ["nft_ct", "CONFIG_NFT_CT", [PORTS, FILTER]],
  ["nft_fib_inet", "CONFIG_NFT_FIB_INET", [PORTS]],
  ["nft_meta_bridge", "CONFIG_NFT_BRIDGE_META", [MAC_FILTER]],
] as const;

/** The kernel asks for its modules by modprobe(8). */
const DENIED = "/etc/modprobe.d/denied.conf";

/** Unloads nftables, with every module that belongs to it. */
async function unload(sandbox: Sandbox): Promise<void> {
  // A namespace that is gone is taken apart later.
  await eventually(() => {
    const loaded = Deno.readTextFileSync("/proc/modules").match(/^(nft_|nf_tables)\w*/gm) ?? [];
    for (const name of loaded) sandbox.try("rmmod", [name]);
    return loaded.length === 0;
  }, () => "nftables to be unloaded");
}

for (const [module, option, configs] of CASES) {
  for (const options of configs) {
    const { type } = options;
    kernelTest(`${type} on a kernel without ${module}: ${option} is named`, async (sandbox) => {
      const netns = sandbox.container();
      const config = { cniVersion: "1.1.0", name: "n", ...options };
      await unload(sandbox);
      Deno.writeTextFileSync(DENIED, `install ${module} /bin/false\n`);
      try {
        const status = pluginError(sandbox, { command: "STATUS", config });
        const add = pluginError(sandbox, { command: "ADD", config, netns });
        assertEquals([status.code, add.code], [50, 999]);
        for (const { msg } of [status, add]) assertMatch(msg, new RegExp(`\\(${option}\\)`));
        plugin(sandbox, { command: "DEL", config, netns });
      } finally {
        Deno.removeSync(DENIED);
      }
      assertEquals([sandbox.ruleset(), sandbox.links(netns)], ["", []]);
    }, { needs: ["test-kernel", "nft"] });
  }
}
