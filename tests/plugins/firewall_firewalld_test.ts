import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bridgeNetwork, type Member } from "../support/bridge_network.ts";
import { startPlugin } from "../support/faults/concurrent.ts";
import { Firewalld } from "../support/firewalld.ts";
import { plugin, pluginDirectory, pluginError } from "../support/plugins.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { type Protocol, Server } from "../support/traffic.ts";

const needs = ["firewalld", "dbus-daemon", "nft", "iptables"];

/** A call about a container, with the bus in its environment. */
function caller(sandbox: Sandbox, daemon: Firewalld) {
  const call = (member: Member, command: "ADD" | "DEL" | "CHECK", more = {}) => ({
    command,
    netns: member.netns,
    containerId: member.netns.path.split("/").at(-1)!,
    env: daemon.env,
    config: {
      cniVersion: "1.1.0",
      name: "n",
      type: "firewall",
      ...(command === "DEL" ? {} : { prevResult: member.result }),
      ...more,
    },
  });
  return {
    ok: (...args: Parameters<typeof call>) => plugin(sandbox, call(...args)),
    fails: (...args: Parameters<typeof call>) => pluginError(sandbox, call(...args)),
  };
}

const sources = (daemon: Firewalld, zone = "trusted") =>
  daemon.command(`--zone=${zone}`, "--list-sources").split(" ").filter(Boolean).sort();

kernelTest(
  "firewall (firewalld): found where it runs; what it drops is let through",
  async (sandbox) => {
    const { containers: [one], outside } = bridgeNetwork(sandbox, 1);
    assert(one);
    await using daemon = await Firewalld.start(sandbox);
    const { ok } = caller(sandbox, daemon);
    const targets = (["tcp", "udp", "sctp"] as Protocol[]).flatMap((protocol) =>
      ["192.0.2.2", "2001:db8::2"].map((address) => ({ protocol, address, port: 80 }))
    );
    const reached = (missed: boolean) =>
      targets.filter(({ protocol, ...endpoint }) => {
        using server = new Server(outside, protocol, endpoint);
        return missed
          ? !server.missedBy(one.netns, endpoint)
          : server.reachedBy(one.netns, endpoint) !== undefined;
      });
    assertEquals(reached(true), []);
    ok(one, "ADD");
    assertEquals(sources(daemon), ["10.5.0.2/32", "fd00:5::2/128"]);
    assertEquals(reached(false), targets);
    ok(one, "CHECK");
    ok(one, "ADD"); // what is set already is no error
    ok(one, "DEL");
    assertEquals(sources(daemon), []);
    assertEquals(reached(true), []);
    ok(one, "DEL");
  },
  { needs },
);

kernelTest(
  "firewall (firewalld): a zone of one's own, a policy, and who is in the way",
  async (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    await using daemon = await Firewalld.start(sandbox);
    const { ok, fails } = caller(sandbox, daemon);
    const options = { firewalldZone: "internal", ingressPolicy: "isolated" };
    ok(one, "ADD", options);
    assertEquals(sources(daemon, "internal"), ["10.5.0.2/32", "fd00:5::2/128"]);
    const saved = () => sandbox.run("iptables-save", ["-t", "filter"]);
    assertStringIncludes(saved(), "-A CNI-ISOLATION-STAGE-1 -i br0 -o br0");
    assert(!saved().includes("CNI-FORWARD"), "firewalld lets through, not iptables");
    ok(one, "CHECK", options);
    daemon.command("--zone=internal", "--remove-source=10.5.0.2/32");
    assertMatch(
      fails(one, "CHECK", options).msg,
      /zone internal of firewalld does not have 10.5.0.2/,
    );
    ok(one, "DEL");
    assert(!saved().includes("CNI-"), "the chains go with the last");
    daemon.command("--zone=public", `--add-source=${two.ipv4}/32`);
    assertMatch(fails(two, "ADD").msg, /ZONE_CONFLICT/);
    assertEquals(sources(daemon), [], "nothing is left behind");
    assertMatch(fails(two, "ADD", { firewalldZone: "nowhere" }).msg, /INVALID_ZONE/);
  },
  { needs },
);

kernelTest(
  "firewall (firewalld): what a reload forgot is put back, once and by watching",
  async (sandbox) => {
    const { containers: [one, gone] } = bridgeNetwork(sandbox);
    assert(one && gone);
    await using daemon = await Firewalld.start(sandbox);
    const { ok, fails } = caller(sandbox, daemon);
    ok(one, "ADD");
    ok(gone, "ADD");
    ok(gone, "DEL");
    daemon.command("--reload");
    assertEquals(sources(daemon), []);
    fails(one, "CHECK");
    const reload = `${pluginDirectory()}/firewall-reload`;
    const env = Object.entries(daemon.env).map(([name, value]) => `${name}=${value}`);
    const put = sandbox.run("env", [...env, reload, "--once"]);
    assertEquals(put, "put back: firewall rules of c1 (eth0 on network n)\n");
    assertEquals(sources(daemon), ["10.5.0.2/32", "fd00:5::2/128"]);

    daemon.command("--zone=trusted", "--remove-source=10.5.0.2/32"); // what it finds at its start
    const child = new Deno.Command(reload, {
      args: ["--watch"],
      env: daemon.env,
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      assertStringIncludes((await lines.read()).value ?? "", "put back");
      daemon.command("--reload");
      assertStringIncludes((await lines.read()).value ?? "", "put back");
      assertEquals(sources(daemon), ["10.5.0.2/32", "fd00:5::2/128"]);
    } finally {
      child.kill("SIGTERM");
      await lines.cancel();
      await child.status;
    }
    await daemon.stop();
    ok(one, "DEL"); // it has forgotten everything
    assertMatch(fails(one, "ADD", { backend: "firewalld" }).msg, /firewalld/);
  },
  { needs },
);

kernelTest(
  "firewall (firewalld): an address that is in another zone keeps no other from being put back",
  async (sandbox) => {
    const { containers } = bridgeNetwork(sandbox, 3);
    await using daemon = await Firewalld.start(sandbox);
    const { ok } = caller(sandbox, daemon);
    for (const member of containers) ok(member, "ADD");
    const env = Object.entries(daemon.env).map(([name, value]) => `${name}=${value}`);
    for (const { ipv4 } of containers) {
      daemon.command("--reload");
      daemon.command("--zone=public", `--add-source=${ipv4}/32`);
      const reload = sandbox.try("env", [...env, `${pluginDirectory()}/firewall-reload`, "--once"]);
      assertEquals(reload.code, 1);
      assertStringIncludes(reload.stderr, "ZONE_CONFLICT");
      assertEquals(sources(daemon).length, 5, "one is in another zone");
    }
  },
  { needs },
);

kernelTest(
  "firewall (firewalld): a restart is heard, and what fails is tried again",
  async (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    await using daemon = await Firewalld.start(sandbox);
    const { ok } = caller(sandbox, daemon);
    ok(one, "ADD");
    const { env } = daemon;
    const reload = `${pluginDirectory()}/firewall-reload`;
    await using watcher = new BackgroundProcess(reload, ["--watch"], { env });
    await daemon.stop();
    await watcher.until(
      () => watcher.output.includes("firewalld does not run"),
      "it to find that firewalld is gone",
    );
    await daemon.restart();
    await eventually(() => sources(daemon).length === 2, () => `sources\n${watcher.output}`);
    // In one step: the watcher, which may not be at rest yet, would put it back between two.
    daemon.command("--zone=public", "--change-source=10.5.0.2/32");
    sandbox.run("nft", ["add table t; delete table t"]); // something to hear
    await watcher.until(() => watcher.output.includes("ZONE_CONFLICT"), "the conflict");
    daemon.command("--zone=public", "--remove-source=10.5.0.2/32"); // which nobody hears of
    await eventually(() => sources(daemon).length === 2, () => `sources\n${watcher.output}`);
    assertEquals(watcher.output.split("ZONE_CONFLICT").length, 2, "it is said once");
  },
  { needs },
);

kernelTest(
  "firewall (firewalld): DEL succeeds where firewalld ends meanwhile, or its rules were flushed",
  async (sandbox) => {
    const { containers: [one, two] } = bridgeNetwork(sandbox);
    assert(one && two);
    await using daemon = await Firewalld.start(sandbox);
    const { ok } = caller(sandbox, daemon);
    for (const member of [one, two]) ok(member, "ADD");
    sandbox.run("nft", ["flush", "ruleset"]);
    ok(two, "DEL");

    const config = { cniVersion: "1.1.0", name: "n", type: "firewall" };
    daemon.freeze();
    const removed = startPlugin(`${pluginDirectory()}/firewall`, config, {
      ...daemon.env,
      PATH: Deno.env.get("PATH")!,
      CNI_COMMAND: "DEL",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: one.netns.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: pluginDirectory(),
    });
    // It waits for an answer by then; where it does not yet, it finds no firewalld.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await daemon.kill();
    const { code, stdout } = await removed;
    assertEquals([code, stdout], [0, ""]);
  },
  { needs },
);
