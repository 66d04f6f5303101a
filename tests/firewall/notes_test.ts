/**
 * Notes on disk that are not as they should be: damaged, of a newer version, of an older one, or no
 * files at all. They are in nobody's way, and whose they are still owns what it shares.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BACKENDS } from "../../lib/firewall/backend_names.ts";
import { addBridge, bridgeNetwork, type Member } from "../support/bridge_network.ts";
import { pluginDirectory, type PluginReply, tryPlugin } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";
import { Server } from "../support/traffic.ts";

const NOTES = "/run/cni/firewall";
const NEEDS = { nftables: ["nft"], iptables: ["iptables", "nft"] };

type Command = "ADD" | "CHECK" | "DEL" | "GC";

function idOf(member: Member): string {
  return member.netns.path.split("/").at(-1)!;
}

function portMappings(member: Member) {
  return [{ hostPort: 8000 + Number(idOf(member).slice(1)), containerPort: 80, protocol: "tcp" }];
}

/** Calls a plugin of a chain about one container. */
function call(
  sandbox: Sandbox,
  type: "firewall" | "portmap",
  member: Member,
  command: Command,
  more: Record<string, unknown> = {},
): PluginReply {
  return tryPlugin(sandbox, {
    command,
    netns: member.netns,
    containerId: idOf(member),
    config: {
      cniVersion: "1.1.0",
      name: "n",
      type,
      ...(type === "portmap" ? { runtimeConfig: { portMappings: portMappings(member) } } : {}),
      ...(command === "GC" ? { "cni.dev/valid-attachments": [] } : {}),
      ...(command === "DEL" || command === "GC" ? {} : { prevResult: member.result }),
      ...more,
    },
  });
}

/** The note of a container. */
function noteOf(member: Member, kind: string): string {
  const names = Array.from(Deno.readDirSync(NOTES), ({ name }) => name);
  const name = names.find((each) =>
    each.endsWith(`.${kind}.json`) &&
    Deno.readTextFileSync(`${NOTES}/${each}`).includes(`"${idOf(member)}"`)
  );
  assert(name, `${idOf(member)} has a note`);
  return `${NOTES}/${name}`;
}

/** What is left of the notes. */
function notes(): string[] {
  return Array.from(Deno.readDirSync(NOTES), ({ name }) => name)
    .filter((name) => name !== "lock").sort();
}

function edit(path: string, change: (note: Record<string, unknown>) => void): void {
  const note = JSON.parse(Deno.readTextFileSync(path));
  change(note);
  Deno.writeTextFileSync(path, JSON.stringify(note));
}

/** What may be in the place of a note. */
const DAMAGES: Record<string, (path: string) => void> = {
  "a stranger's text": (path) => Deno.writeTextFileSync(path, '{"containerId":"old"}'),
  "half of it": (path) => Deno.writeTextFileSync(path, Deno.readTextFileSync(path).slice(0, 40)),
  "nothing": (path) => Deno.writeTextFileSync(path, ""),
  "NUL bytes": (path) => Deno.writeTextFileSync(path, "\0\0\0\0"),
  "an address that is none": (path) => edit(path, (note) => note.ips = ["10.0.0.777"]),
  "a directory": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  },
  "a directory that is not empty": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/x`, { recursive: true });
  },
};

for (const backend of BACKENDS) {
  const contract = (name: string, test: (sandbox: Sandbox) => void | Promise<void>) =>
    kernelTest(`notes (${backend}): ${name}`, test, { needs: NEEDS[backend] });

  for (const family of [4, 6] as const) {
    contract(`IPv${family}: who cannot be read keeps what it shares`, (sandbox) => {
      const { containers: [one, two, three], outside } = bridgeNetwork(sandbox, 3);
      const [stranger] = addBridge(sandbox, 6, 1);
      assert(one && two && three && stranger);
      const ip = (member: Member) => family === 4 ? member.ipv4 : member.ipv6;
      const options = { backend, ingressPolicy: "same-bridge" };
      for (const tool of backend === "iptables" ? ["iptables", "ip6tables"] : []) {
        sandbox.run(tool, ["-P", "FORWARD", "DROP"]);
      }
      for (const each of [one, two, three]) call(sandbox, "firewall", each, "ADD", options);
      call(sandbox, "firewall", stranger, "ADD", { ...options, name: "m" });
      const damaged = noteOf(one, "filter");
      DAMAGES["half of it"]!(damaged);
      const future = noteOf(two, "filter");
      edit(future, (note) => note.format = 99);

      const { code, stderr } = call(sandbox, "firewall", three, "DEL");
      assertEquals(code, 0);
      assertStringIncludes(stderr, `passing over ${damaged}`);
      assertStringIncludes(stderr, `passing over ${future}`);
      assertStringIncludes(stderr, "format 99");
      assertStringIncludes(stderr, "stays while notes of them cannot be read");
      const endpoint = { address: family === 4 ? "192.0.2.2" : "2001:db8::2", port: 80 };
      using outer = new Server(outside, "tcp", endpoint);
      for (const each of [one, two]) {
        assert(outer.reachedBy(each.netns, endpoint), `${idOf(each)} is let through`);
        using inner = new Server(each.netns, "tcp", { address: ip(each), port: 80 });
        assert(inner.missedBy(stranger.netns, inner.endpoint), `${idOf(each)} stays apart`);
      }
      if (backend === "iptables") assert(outer.missedBy(three.netns, endpoint));

      call(sandbox, "firewall", stranger, "DEL", { name: "m" });
      for (const each of [one, two]) {
        assertEquals(call(sandbox, "firewall", each, "DEL", { prevResult: each.result }).code, 0);
      }
      assertEquals(notes(), []);
      const left = backend === "iptables"
        ? sandbox.run("iptables-save", []) + sandbox.run("ip6tables-save", [])
        : sandbox.ruleset();
      assert(!left.includes(ip(one)) && !left.includes(ip(two)), left);
    });
  }

  for (const [what, damage] of Object.entries(DAMAGES)) {
    contract(`${what} in the place of a note is in nobody's way`, (sandbox) => {
      const { containers: [one, two] } = bridgeNetwork(sandbox);
      assert(one && two);
      const options = { backend, ingressPolicy: "same-bridge" };
      const works = (type: "firewall" | "portmap", member: Member, command: Command) => {
        const more = command === "DEL" ? {} : type === "firewall" ? options : { backend };
        const reply = call(sandbox, type, member, command, more);
        assertEquals([reply.code, reply.json?.msg], [0, undefined], `${type} ${command}`);
        return reply.stderr;
      };
      for (const type of ["firewall", "portmap"] as const) works(type, one, "ADD");
      for (const kind of ["filter", "ports"]) damage(noteOf(one, kind));
      for (const kind of ["filter", "ports", "masquerade", "guard"]) {
        Deno.writeTextFileSync(`${NOTES}/x.${kind}.json`, '{"containerId":"old"}');
      }
      for (const type of ["firewall", "portmap"] as const) {
        for (const command of ["ADD", "CHECK"] as const) works(type, two, command);
      }
      const reload = sandbox.try(`${pluginDirectory()}/firewall-reload`, ["--once"]);
      assertEquals([reload.code, reload.stdout], [0, ""]);
      assertStringIncludes(reload.stderr, `passing over ${NOTES}/x.filter.json`);
      for (const type of ["firewall", "portmap"] as const) {
        works(type, two, "DEL");
        works(type, one, "GC");
        works(type, one, "DEL");
      }
    });
  }

  contract("GC of a container without a note, or with one that cannot be read", (sandbox) => {
    const { containers: [damaged, without, living] } = bridgeNetwork(sandbox, 3);
    assert(damaged && without && living);
    const options = { backend, ingressPolicy: "same-bridge" };
    const gc = (...valid: Member[]) => {
      const list = valid.map((member) => ({ containerID: idOf(member), ifname: "eth0" }));
      const more = { "cni.dev/valid-attachments": list };
      assertEquals(call(sandbox, "firewall", damaged, "GC", more).code, 0);
    };
    for (const each of [damaged, without, living]) call(sandbox, "firewall", each, "ADD", options);
    DAMAGES["half of it"]!(noteOf(damaged, "filter"));
    Deno.removeSync(noteOf(without, "filter"));
    gc(living);
    const left = sandbox.ruleset();
    assertEquals(call(sandbox, "firewall", living, "CHECK", options).code, 0);
    // A rule of iptables names no attachment: only a note, or DEL's prevResult, says whose it is.
    const stays = backend === "iptables";
    const present = ({ ipv4, ipv6 }: Member) => [ipv4, ipv6].map((ip) => left.includes(ip));
    assertEquals([damaged, without].map(present), [[stays, stays], [stays, stays]]);
    gc();
    assertEquals(notes().filter((name) => name.endsWith(".filter.json")), []);
    if (backend === "nftables") assertEquals(sandbox.ruleset(), "");
  });

  contract("a note without a format number is read", (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    for (const type of ["firewall", "portmap"] as const) {
      call(sandbox, type, one, "ADD", { backend });
    }
    for (const kind of ["filter", "ports"]) {
      edit(noteOf(one, kind), (note) => {
        assertEquals(note.format, 1);
        delete note.format;
      });
    }
    sandbox.run("nft", ["flush", "ruleset"]);
    const { code, stdout } = sandbox.try(`${pluginDirectory()}/firewall-reload`, ["--once"]);
    assertEquals([code, stdout.trim().split("\n").length], [0, 2], stdout);
    for (const type of ["firewall", "portmap"] as const) {
      assertEquals(call(sandbox, type, one, "CHECK", { backend }).code, 0);
      assertEquals(call(sandbox, type, one, "DEL").code, 0);
    }
    assertEquals(notes(), []);
  });

  contract("where /run/cni cannot be used, DEL and GC remove what there is", (sandbox) => {
    const { containers: [one] } = bridgeNetwork(sandbox, 1);
    assert(one);
    const masqueraded = {
      cniVersion: "1.1.0",
      name: "n",
      type: "ptp",
      ipMasq: true,
      ipMasqBackend: backend,
      ipam: { type: "static", addresses: [{ address: "10.9.0.2/24", gateway: "10.9.0.1" }] },
    };
    const spare = sandbox.container("c9");
    const ptp = (command: "ADD" | "DEL" | "GC") =>
      tryPlugin(sandbox, {
        command,
        netns: spare,
        containerId: "c9",
        config: command === "GC"
          ? { ...masqueraded, "cni.dev/valid-attachments": [] }
          : masqueraded,
      });
    const broken: (() => void)[] = [
      () => Deno.writeTextFileSync("/run/cni", "a file"),
      () => {
        Deno.mkdirSync("/run/cni");
        Deno.writeTextFileSync(NOTES, "a file");
      },
      () => Deno.mkdirSync(`${NOTES}/lock`, { recursive: true }),
    ];
    for (const damage of broken) {
      for (const last of ["DEL", "GC"] as const) {
        for (const type of ["firewall", "portmap"] as const) {
          assertEquals(call(sandbox, type, one, "ADD", { backend }).code, 0);
        }
        const added = ptp("ADD");
        assertEquals(added.code, 0, added.stdout);
        // Not removed: a resident server's socket may be in it.
        Deno.renameSync("/run/cni", "/run/aside");
        Deno.removeSync("/run/aside/firewall", { recursive: true });
        damage();
        const prevResult = last === "DEL" ? { prevResult: one.result } : {};
        for (const type of ["firewall", "portmap"] as const) {
          const { code, stdout } = call(sandbox, type, one, last, prevResult);
          assertEquals([code, stdout], [0, ""], `${type} ${last}`);
        }
        const removed = ptp(last);
        assertEquals(removed.code, 0, removed.stdout);
        ptp("DEL");
        const left = sandbox.ruleset();
        assert(!left.includes("10.9.0.2"), left);
        // Who let an address through is known by a note or by prevResult, which GC has not.
        if (last === "DEL") assert(!left.includes(one.ipv4), left);
        Deno.removeSync("/run/cni", { recursive: true });
        Deno.renameSync("/run/aside", "/run/cni");
        sandbox.run("nft", ["flush", "ruleset"]);
      }
    }
  });
}
