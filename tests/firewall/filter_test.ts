import { filterFirewalld } from "../../lib/firewall/filter/firewalld.ts";
import { filterIptables } from "../../lib/firewall/filter/iptables.ts";
import { filterNft } from "../../lib/firewall/filter/nftables.ts";
import { FILTER_BACKENDS, type FilterBackend } from "../../lib/firewall/filter/types.ts";
import { type FilterFixture, testFilter } from "../contract/filter.ts";
import { Firewalld } from "../support/firewalld.ts";

const BUS = "DBUS_SYSTEM_BUS_ADDRESS";
const nothingStarted = async () => {};

const FIXTURES: Readonly<Record<FilterBackend, FilterFixture>> = {
  iptables: {
    filter: filterIptables,
    enforcer: "iptables",
    needs: ["iptables"],
    open: (sandbox) => ({
      rules: () =>
        ["iptables-save", "ip6tables-save"].flatMap((program) =>
          sandbox.run(program, ["-t", "filter"]).split("\n").filter((line) => /CNI/.test(line))
        ),
      dropRest() {
        for (const tool of ["iptables", "ip6tables"]) sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
      },
      lose: () => sandbox.run("iptables", ["-F", "CNI-FORWARD"]),
      [Symbol.asyncDispose]: nothingStarted,
    }),
  },
  nftables: {
    filter: filterNft,
    enforcer: "nftables",
    needs: ["nft"],
    open: (sandbox) => ({
      rules: () =>
        sandbox.try("nft", ["list", "table", "inet", "cni_firewall"]).stdout.split("\n")
          .filter((line) => /\S/.test(line)),
      dropRest: () => sandbox.run("nft", ["add rule inet cni_firewall forward drop"]),
      lose: () => sandbox.run("nft", ["flush chain inet cni_firewall forward"]),
      [Symbol.asyncDispose]: nothingStarted,
    }),
  },
  firewalld: {
    filter: filterFirewalld,
    enforcer: "iptables",
    needs: ["firewalld", "dbus-daemon"],
    async open(sandbox) {
      const daemon = await Firewalld.start(sandbox);
      Deno.env.set(BUS, daemon.env[BUS]);
      return {
        rules: () => daemon.command("--zone=trusted", "--list-sources").split(" ").filter(Boolean),
        dropRest() {}, // which it does from the start
        lose: () => daemon.command("--zone=trusted", "--remove-source=10.5.0.2/32"),
        async [Symbol.asyncDispose]() {
          Deno.env.delete(BUS);
          await daemon[Symbol.asyncDispose]();
        },
      };
    },
  },
};

for (const backend of FILTER_BACKENDS) testFilter(backend, FIXTURES[backend]);
