import { type Backend, BACKENDS } from "../../lib/firewall/backend_names.ts";
import { portMapperIptables } from "../../lib/firewall/ports/iptables.ts";
import { portMapperNft } from "../../lib/firewall/ports/nftables.ts";
import { type PortMapperFixture, testPortMapper } from "../contract/ports.ts";

const FIXTURES: Readonly<Record<Backend, PortMapperFixture>> = {
  iptables: {
    mapper: portMapperIptables,
    needs: ["iptables", "nft"],
    rules: (sandbox) =>
      ["iptables-save", "ip6tables-save"].flatMap((program) =>
        sandbox.run(program, ["-t", "nat"]).split("\n").filter((line) => /CNI-DN-/.test(line))
      ),
    flushPrerouting: (sandbox) => sandbox.run("iptables", ["-t", "nat", "-F", "PREROUTING"]),
  },
  nftables: {
    mapper: portMapperNft,
    needs: ["nft"],
    rules: (sandbox) =>
      sandbox.ruleset().split("\n").filter((line) => /comment "[0-9a-f]{16}-/.test(line)),
    flushPrerouting: (sandbox) => sandbox.run("nft", ["flush chain inet cni_portmap prerouting4"]),
  },
};

for (const backend of BACKENDS) testPortMapper(backend, FIXTURES[backend]);
