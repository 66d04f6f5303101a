/** nftables needs no program: neither its own nor iptables'. */
import { assert, assertEquals } from "@std/assert";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const NEEDS = ["strace", "nft"];
const TRACE = "/run/test/trace";
const CAP_ARGS = JSON.stringify({
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
    { hostPort: 53, containerPort: 53, protocol: "udp" },
  ],
});

/** Everything that has rules, on one network. */
function configure(backend: string): void {
  const list = {
    cniVersion: "1.1.0",
    name: "n",
    plugins: [
      {
        type: "bridge",
        bridge: "br0",
        isGateway: true,
        ipMasq: true,
        ipMasqBackend: backend,
        macspoofchk: backend === "nftables",
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: "10.77.0.0/24" }], [{ subnet: "fd00:77::/64" }]],
        },
      },
      { type: "portmap", backend, capabilities: { portMappings: true } },
      { type: "firewall", backend, ingressPolicy: "same-bridge" },
    ],
  };
  Deno.mkdirSync("/run/test/net.d", { recursive: true });
  Deno.writeTextFileSync("/run/test/net.d/10-n.conflist", JSON.stringify(list));
}

/** Runs a command of ours. @returns the programs that it started or tried to */
function programsOf(command: string, args: readonly string[], path: string): Set<string> {
  const env = {
    PATH: path,
    HOME: Deno.env.get("HOME") ?? "/",
    ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
    CNI_PATH: pluginDirectory(),
    NETCONFPATH: "/run/test/net.d",
    CAP_ARGS,
  };
  const traced = [`${pluginDirectory()}/${command}`, ...args];
  const strace = ["-f", "-qq", "-e", "trace=execve", "-o", TRACE, "--", ...traced];
  const { code, stderr } = outputWithInput("/usr/bin/strace", "", env, strace);
  assertEquals(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
  const calls = Deno.readTextFileSync(TRACE).matchAll(/execve\("([^"]+)"/g);
  const names = Array.from(calls, ([, file]) => file!.split("/").at(-1)!);
  assert(names.includes(command), "the trace has what was traced");
  return new Set(names.filter((name) => /^(nft|ip6?tables|xtables|firewall-cmd)/.test(name)));
}

/** A directory on PATH with what scripts need that run plugins from source, and no more. */
function bareDirectory(): string {
  const directory = "/run/test/bare";
  Deno.mkdirSync(directory);
  Deno.symlinkSync("/bin/sh", `${directory}/sh`);
  return directory;
}

/** What a runtime and an administrator do with a container, and the programs that it took. */
function life(sandbox: Sandbox, path: string): Record<string, string[]> {
  const { path: netns } = sandbox.container("one");
  const programs: Record<string, string[]> = {};
  const step = (command: string, ...args: string[]) => {
    const name = command === "cnitool" ? args[0]! : command;
    programs[name] = [...programsOf(command, args, path)].sort();
  };
  step("cnitool", "status", "n");
  step("cnitool", "add", "n", netns);
  assertEquals(sandbox.ruleset().match(/ masquerade comment/g)?.length, 2);
  step("cnitool", "check", "n", netns);
  sandbox.run("nft", ["flush", "ruleset"]);
  step("firewall-reload", "--once");
  assertEquals(sandbox.ruleset().match(/ masquerade comment/g)?.length, 2);
  step("cnitool", "del", "n", netns);
  step("cnitool", "add", "n", netns);
  step("cnitool", "gc", "n", "--all");
  assertEquals(/comment "[0-9a-f]{16}-/.test(sandbox.ruleset()), false);
  return programs;
}

const NONE = { status: [], add: [], check: [], "firewall-reload": [], del: [], gc: [] };

kernelTest("nftables on a host without nft and iptables: nothing asks for them", (sandbox) => {
  configure("nftables");
  assertEquals(life(sandbox, bareDirectory()), NONE);
}, { needs: NEEDS });

kernelTest("nftables on a host with nft and iptables: neither is started", (sandbox) => {
  configure("nftables");
  assertEquals(life(sandbox, Deno.env.get("PATH")!), NONE);
}, { needs: [...NEEDS, "iptables"] });

kernelTest("what was made with iptables is removed with iptables, and without nft", (sandbox) => {
  const netns = sandbox.container("one");
  const path = Deno.env.get("PATH")!;
  const made = () => sandbox.run("iptables-save", []).split("\n").filter((l) => /CNI-DN/.test(l));
  configure("iptables");
  assert(programsOf("cnitool", ["add", "n", netns.path], path).has("iptables-restore"));
  assert(made().length > 0);
  configure("nftables");
  const programs = programsOf("cnitool", ["del", "n", netns.path], path);
  assertEquals(made(), []);
  assertEquals(programs.has("nft"), false);
}, { needs: [...NEEDS, "iptables"] });
