/** cluster-local with certificates and users of etcd, by Debian's 3.4 and by a newer one. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { makeCertificates } from "../support/etcd/certificates.ts";
import { EtcdCluster, type EtcdMember } from "../support/etcd/server.ts";
import { plugin, type PluginCall, pluginError } from "../support/plugins.ts";
import { NEWER_ETCD } from "../support/requirements.ts";
import { kernelTest } from "../support/sandbox.ts";

/** The directories of etcd's programs; the second one may be missing, and the test says so. */
const VERSIONS = ["/usr/bin", NEWER_ETCD];

const PASSWORD = "/run/test/password";

for (const directory of VERSIONS) {
  const needs = [`${directory}/etcd`, `${directory}/etcdctl`, "openssl"];
  const name = directory === "/usr/bin" ? "the machine's etcd" : "a newer etcd";

  kernelTest(
    `cluster-local: knows ${name} by certificates, and is known by one`,
    async (sandbox) => {
      const { ca, server, client } = makeCertificates("/run/test");
      await using cluster = await EtcdCluster.start(sandbox, {
        directory,
        scheme: "https",
        args: [
          ...["--cert-file", server.certFile, "--key-file", server.keyFile],
          ...["--trusted-ca-file", ca.certFile, "--client-cert-auth"],
        ],
        ctl: ["--cacert", ca.certFile, "--cert", client.certFile, "--key", client.keyFile],
      });
      const call = (etcd: object) => callOf("ADD", { endpoints: cluster.endpoints, ...etcd });
      const all = { caFile: ca.certFile, certFile: client.certFile, keyFile: client.keyFile };
      assertEquals(plugin(sandbox, call(all)).ips[0].address, "10.1.0.2/24");
      plugin(sandbox, { ...call(all), command: "DEL" });
      for (const etcd of [{ ...all, caFile: undefined }, { caFile: ca.certFile }]) {
        const { code, msg } = pluginError(sandbox, call({ ...etcd, timeout: 2 }));
        assertEquals(code, 11, msg);
        assertMatch(
          msg,
          /^etcd does not answer: POST https:.*(certificate|issuer|reset|closed|alert|handshake)/is,
        );
      }
      for (const etcd of [{ ...all, keyFile: undefined }, { ...all, keyFile: "/none" }]) {
        assertEquals(pluginError(sandbox, call(etcd)).code, 7);
      }
    },
    { needs },
  );

  kernelTest(
    `cluster-local: is a user of ${name}, whose token it keeps and renews`,
    async (sandbox) => {
      await using cluster = await EtcdCluster.start(sandbox, { directory });
      const [member] = cluster.members as [EtcdMember];
      Deno.writeTextFileSync(PASSWORD, "geheim\n");
      for (
        const [user, role] of [["root", "root"], ["cni", "cni"], ["nobody", "nothing"]] as const
      ) {
        member.ctl("user", "add", `${user}:geheim`);
        member.ctl("role", "add", role);
        member.ctl("user", "grant-role", user, role);
      }
      member.ctl("role", "grant-permission", "cni", "readwrite", "/cni/cluster-local/", "--prefix");
      member.ctl("auth", "enable");
      const of = (command: PluginCall["command"], etcd: object = {}) =>
        callOf(command, {
          endpoints: cluster.endpoints,
          username: "cni",
          passwordFile: PASSWORD,
          ...etcd,
        });
      assertEquals(plugin(sandbox, of("ADD")).ips[0].address, "10.1.0.2/24");
      const [token] = [...Deno.readDirSync("/run/cni/cluster-local")].map(({ name }) => name);
      const path = `/run/cni/cluster-local/${token}`;
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
      const before = Deno.readTextFileSync(path);
      plugin(sandbox, of("STATUS"));
      assertEquals(Deno.readTextFileSync(path), before);
      // It forgets tokens when it ends.
      await member.stop();
      member.start();
      await member.untilListening();
      plugin(sandbox, of("DEL"));
      assertEquals(Deno.readTextFileSync(path) === before, false);

      const refused = (etcd: object, message: string) => {
        const { code, msg } = pluginError(sandbox, of("ADD", etcd));
        assertEquals(code, 7, msg);
        assertStringIncludes(msg, message);
      };
      refused({ username: undefined }, "A certificate secures the transport and is no user");
      refused({ username: "nobody" }, "the role of user nobody needs readwrite permission for");
      refused(
        { username: "root", passwordFile: "/none" },
        'cannot read "passwordFile" of "etcd", /none',
      );
      Deno.writeTextFileSync(PASSWORD, "falsch");
      refused({ username: "root" }, 'see "username" and its password');
      Deno.writeTextFileSync(PASSWORD, "geheim");
      assertEquals(pluginError(sandbox, of("STATUS", { username: "nobody" })).code, 50);
    },
    { needs },
  );
}

function callOf(command: PluginCall["command"], etcd: object): PluginCall {
  const ipam = { type: "cluster-local", node: "n1", subnet: "10.1.0.0/24", etcd };
  const config = { cniVersion: "1.1.0", name: "net", type: "cluster-local", ipam };
  return { command, config, netns: "/none" };
}
