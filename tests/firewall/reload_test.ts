import { assert, assertEquals } from "@std/assert";
import { type Backend, BACKENDS } from "../../lib/firewall/backend_names.ts";
import { masquerade } from "../../lib/firewall/masquerade/mod.ts";
import { Cidr } from "../../lib/ip/cidr.ts";
import { bridgeNetwork, type Member } from "../support/bridge_network.ts";
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
