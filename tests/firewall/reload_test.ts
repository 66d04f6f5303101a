import { assert, assertEquals } from "@std/assert";
import { type Backend, BACKENDS } from "../../lib/firewall/backend_names.ts";
import { applyFilter } from "../../lib/firewall/filter/mod.ts";
import { masquerade } from "../../lib/firewall/masquerade/mod.ts";
import { publishPorts } from "../../lib/firewall/ports/mod.ts";
import { restoreRules } from "../../lib/firewall/reload.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { recordNetNs } from "../../lib/ns/recorded.ts";
import { bridgeNetwork, type Member } from "../support/bridge_network.ts";
import { dumpsOf } from "../support/netlink_use.ts";
import { plugin, pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const PROGRAMS = ["nft", "iptables", "ip6tables", "iptables-save", "ip6tables-save"];

/** Programs that note each time they are started. @returns their directory */
function countedPrograms(): string {
  const directory = "/run/test/counted";
  Deno.mkdirSync(directory);
  for (const name of PROGRAMS) {
    const script = `#!/bin/sh
echo ${name} >>${directory}/starts
PATH="\${PATH#${directory}:}" exec ${name} "$@"
`;
    Deno.writeTextFileSync(`${directory}/${name}`, script, { mode: 0o755 });
  }
  return directory;
}

/** Masquerading, a published port and a policy. */
async function attach(sandbox: Sandbox, member: Member, backend: Backend): Promise<void> {
  const { ipv4, ipv6, netns, result } = member;
  const containerId = netns.path.split("/").at(-1)!;
  await masquerade(backend, { network: "n", containerId, ifName: "eth0" }, [
    Cidr.parse(`${ipv4}/24`),
    Cidr.parse(`${ipv6}/64`),
  ]);
  const hostPort = 8000 + Number(containerId.slice(1));
  const portMappings = [{ hostPort, containerPort: 80, protocol: "tcp" }];
  for (
    const options of [
      { type: "portmap", runtimeConfig: { portMappings } },
      { type: "firewall", ingressPolicy: "same-bridge" },
    ]
  ) {
    const config = { cniVersion: "1.1.0", name: "n", prevResult: result, backend, ...options };
    plugin(sandbox, { command: "ADD", config, netns, containerId });
  }
}

kernelTest(
  "firewall-reload (nftables): what was flushed is listed as often for many as for two",
  async (sandbox) => {
    const attachAll = async (first: number, count: number) => {
      for (let i = first; i < first + count; i++) {
        const { path } = sandbox.container();
        const attachment = { network: "n", containerId: `c${i}`, ifName: "eth0" };
        const address = Cidr.parse(`10.1.0.${i + 2}/24`);
        const mappings = [{ protocol: "tcp" as const, hostPort: 8000 + i, containerPort: 80 }];
        const options = { snat: true, masqAll: false, markBit: 13 };
        const publications = [{ address, mappings, conditions: [] }];
        await masquerade("nftables", attachment, [address], path);
        await publishPorts({ backend: "nftables", attachment, publications, options }, path);
        await applyFilter({
          attachment,
          backend: "nftables",
          enforcer: "nftables",
          ips: [address.ip],
          adminChain: "CNI-ADMIN",
          zone: "",
          policy: "same-bridge",
          bridge: "br0",
          netns: recordNetNs(path),
        });
      }
    };
    const reload = async () => {
      let restored = 0;
      const dumps = await dumpsOf(() => restoreRules(() => restored++));
      return { restored, listed: dumps.map(({ purpose }) => purpose).sort() };
    };
    const flushed = async (count: number) => {
      // Rules and elements may stand in another order.
      const ruleset = () => sandbox.ruleset().split(/[\n,{}]/).map((text) => text.trim()).sort();
      const before = ruleset();
      sandbox.run("nft", ["flush", "ruleset"]);
      const { restored, listed } = await reload();
      assertEquals([restored, ruleset()], [3 * count, before]);
      return listed;
    };
    await attachAll(0, 2);
    const forTwo = { flushed: await flushed(2), complete: (await reload()).listed };
    await attachAll(2, 4);
    assertEquals(await flushed(6), forTwo.flushed);
    assertEquals((await reload()).listed, forTwo.complete);
    assertEquals(new Set(forTwo.complete).size, forTwo.complete.length, "everything once");
  },
  { needs: ["nft"] },
);

for (const backend of BACKENDS) {
  kernelTest(
    `firewall-reload (${backend}): as many programs for many attachments as for one`,
    async (sandbox) => {
      const { containers: [first, ...others] } = bridgeNetwork(sandbox, 6);
      assert(first);
      const bin = countedPrograms();
      const started = () => {
        Deno.writeTextFileSync(`${bin}/starts`, "");
        const path = `PATH=${bin}:${Deno.env.get("PATH")}`;
        assertEquals(
          sandbox.run("env", [path, `${pluginDirectory()}/firewall-reload`, "--once"]),
          "",
        );
        return Deno.readTextFileSync(`${bin}/starts`).split("\n").sort();
      };
      await attach(sandbox, first, backend);
      const forOne = started();
      for (const each of others) await attach(sandbox, each, backend);
      assertEquals(started(), forOne);

      sandbox.run("nft", ["flush", "ruleset"]);
      const put = sandbox.run(`${pluginDirectory()}/firewall-reload`, ["--once"]).trim().split(
        "\n",
      );
      assertEquals(put.length, 18);
      assertEquals(started(), forOne, "everything is there again");
    },
    { needs: ["nft", "iptables"] },
  );
}
