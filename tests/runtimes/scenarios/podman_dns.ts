import { assert, assertEquals } from "@std/assert";
import { fetchDnsname } from "../dnsname.ts";
import { observeNetwork } from "../observe.ts";
import { CRUN, PODMAN, Podman, SERVE } from "../podman.ts";
import { assertNothingLeft } from "../remains.ts";
import type { Scenario } from "../scenario.ts";

const NETWORKS: Readonly<Record<string, string[]>> = {
  named: ["--subnet", "10.95.0.0/24"],
  nameless: ["--subnet", "10.96.0.0/24", "--disable-dns"],
};

/** Networks whose containers find each other by name, a plugin of others' in the chain, and without. */
export const podmanDns: Scenario = {
  name: "podman: network create with dns, and --disable-dns",
  clients: [PODMAN, CRUN, { name: "dnsmasq", program: "dnsmasq" }],
  programs: fetchDnsname,
  exchange: true,
  async run(host) {
    const podman = new Podman(host);
    const names: string[] = [];
    for (const [network, options] of Object.entries(NETWORKS)) {
      await podman.run("network", "create", ...options, network);
      const list = await Deno.readTextFile(`/etc/cni/net.d/${network}.conflist`);
      assertEquals(list.includes('"dnsname"'), network === "named", list);
      for (const role of ["server", "client"]) {
        const name = `${role}-${network}`;
        names.push(name);
        await podman.create(name, network, [], SERVE);
        await observeNetwork(host, name, podman.exec(name), [
          network === "named" ? "10.95.0.1" : "10.96.0.1",
        ]);
      }
    }
    const client = podman.exec("client-named");
    const resolves = async () =>
      assertEquals(await client("wget", "-qO-", "http://server-named/"), "served");
    await resolves();
    const other = podman.exec("client-nameless");
    const answer = await other("nslookup", "server-nameless").catch((error) => String(error));
    assert(!answer.includes("10.96.0.2"), answer);
    await host.exchange();
    await resolves();
    host.step("rm, prune");
    await podman.run("rm", "--force", "--time", "0", ...names);
    await podman.run("network", "prune", "--force");
    await assertNothingLeft(host);
  },
};
