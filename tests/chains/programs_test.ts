/** nftables needs no program: neither its own nor iptables', whatever is asked for. */
import { assert, assertEquals } from "@std/assert";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { residentExecutable } from "../support/resident.ts";
import { kernelTest, type Sandbox } from "../support/sandbox.ts";

const NEEDS = ["strace", "nft"];
const TRACE = "/run/test/trace";
const CAP_ARGS = JSON.stringify({
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
    { hostPort: 53, containerPort: 53, protocol: "udp" },
  ],
});

/** Networks, and how many addresses a container has that are masqueraded. */
const NETWORKS = { n: 2, p: 1 };

/** Everything that has rules, on two networks: each that masquerades is the first of its own. */
function configure(backend: string): void {
  const chain = [
    { type: "portmap", backend, capabilities: { portMappings: true } },
    { type: "firewall", backend, ingressPolicy: "same-bridge" },
  ];
  const lists: Record<keyof typeof NETWORKS, unknown[]> = {
    n: [
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
      ...chain,
    ],
    p: [
      {
        type: "ptp",
        ipMasq: true,
        ipMasqBackend: backend,
        ipam: { type: "host-local", subnet: "10.78.0.0/24" },
      },
      ...chain.slice(0, 1),
    ],
  };
  Deno.mkdirSync("/run/test/net.d", { recursive: true });
  for (const [name, plugins] of Object.entries(lists)) {
    const list = { cniVersion: "1.1.0", name, plugins };
    Deno.writeTextFileSync(`/run/test/net.d/10-${name}.conflist`, JSON.stringify(list));
  }
}

const PROGRAMS = /^(nft$|ip6?tables|xtables|firewall-cmd)/;

/**
 * Makes what hides the programs of every backend from the directories on PATH. Whoever is started by
 * the words that are returned, and then a command, does so where they are not installed.
 */
function withoutPrograms(sandbox: Sandbox): string[] {
  const hidden = "/run/test/hidden";
  const directories = new Set(
    Deno.env.get("PATH")!.split(":").map((path) => {
      return ifThere(() => Deno.realPathSync(path));
    }),
  );
  const mounts: string[] = [];
  for (const directory of directories) {
    if (directory === undefined) continue;
    const programs = Array.from(Deno.readDirSync(directory), ({ name }) => name)
      .filter((name) => PROGRAMS.test(name));
    if (programs.length === 0) continue;
    const [upper, work] = ["upper", "work"].map((name) => `${hidden}${directory}/${name}`);
    sandbox.run("mkdir", ["-p", upper!, work!]);
    // A device with the number 0, 0 in an overlay's upper directory: what is below is not there.
    for (const name of programs) sandbox.run("mknod", [`${upper}/${name}`, "c", "0", "0"]);
    const options = `lowerdir=${directory},upperdir=${upper},workdir=${work}`;
    mounts.push(`mount -t overlay -o ${options} overlay ${directory} &&`);
  }
  return ["unshare", "--mount", "sh", "-c", `${mounts.join(" ")} exec "$@"`, "sh"];
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** How long a command may take, in seconds: many times as long as one does. */
const LONGEST = 120;

/** The status of what SIGKILL ended. */
const KILLED = 137;

/**
 * Whether the executables under test are compiled each by itself, so that cnitool and plugins start
 * others: they are neither one file nor clients of one executable.
 */
function areSeparate(): boolean {
  const bin = Deno.env.get("CNI_TEST_BIN");
  if (bin === undefined) return false;
  const [plugin, cnitool] = ["bridge", "cnitool"].map((name) => Deno.statSync(`${bin}/${name}`));
  return plugin!.ino !== cnitool!.ino && residentExecutable(bin) === undefined;
}

/**
 * Runs a command of ours.
 * @param options.before words that a command may follow
 * @param options.startsPrograms whether programs are expected
 * @returns the programs that it started or tried to
 */
function programsOf(
  command: string,
  args: readonly string[],
  { before = [], startsPrograms = false }: {
    before?: readonly string[];
    startsPrograms?: boolean;
  } = {},
): Set<string> {
  const env = {
    PATH: Deno.env.get("PATH")!,
    HOME: Deno.env.get("HOME") ?? "/",
    ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
    CNI_PATH: pluginDirectory(),
    NETCONFPATH: "/run/test/net.d",
    CAP_ARGS,
  };
  const traced = [`${pluginDirectory()}/${command}`, ...args];
  // With a filter in the kernel only these calls stop what is traced; but then an executable of Deno
  // 2.4 is told of a program's end before it can wait for it, and hangs. Deno 2.9, which runs what is
  // tested from source, does not.
  const filter = startsPrograms || areSeparate() ? [] : ["--seccomp-bpf"];
  const strace = ["strace", "-f", ...filter, "-qq", "-e", "trace=execve,execveat"];
  const deadline = ["timeout", "--signal=KILL", String(LONGEST)];
  const words = [...deadline, ...before, ...strace, "-o", TRACE, "--", ...traced];
  const { code, stderr } = outputWithInput("/usr/bin/env", "", env, words);
  const end = code === KILLED ? `killed after ${LONGEST} s` : `status ${code}`;
  assertEquals(code, 0, `${command} ${args.join(" ")}: ${end}: ${stderr}`);
  const calls = Deno.readTextFileSync(TRACE).matchAll(/execve(?:at)?\((?:\d+, )?"([^"]+)"/g);
  const names = Array.from(calls, ([, file]) => file!.split("/").at(-1)!);
  assert(names.includes(command), "the trace has what was traced");
  return new Set(names.filter((name) => PROGRAMS.test(name)));
}

/** What a runtime and an administrator do with containers, and the programs that it took. */
function life(sandbox: Sandbox, before: readonly string[] = []): Record<string, string[]> {
  const programs: Record<string, string[]> = {};
  const step = (command: string, ...args: string[]) => {
    const name = command === "cnitool" ? args[0]! : command;
    programs[name] = [...programs[name] ?? [], ...programsOf(command, args, { before })].sort();
  };
  const masqueraded = () => sandbox.ruleset().match(/ masquerade comment/g)?.length;
  for (const [network, addresses] of Object.entries(NETWORKS)) {
    const { path: netns } = sandbox.container(network);
    step("cnitool", "status", network);
    step("cnitool", "add", network, netns);
    assertEquals(masqueraded(), addresses);
    step("cnitool", "check", network, netns);
    sandbox.run("nft", ["flush", "ruleset"]);
    step("firewall-reload", "--once");
    assertEquals(masqueraded(), addresses);
    step("cnitool", "repair", network, "--yes"); // the MAC filter, of which there is no note
    step("cnitool", "check", network, netns);
    step("cnitool", "del", network, netns);
    step("cnitool", "add", network, netns);
    step("cnitool", "gc", network, "--all");
    assertEquals(/comment "[0-9a-f]{16}-/.test(sandbox.ruleset()), false);
  }
  return programs;
}

const NONE = {
  status: [],
  add: [],
  check: [],
  "firewall-reload": [],
  repair: [],
  del: [],
  gc: [],
};

kernelTest("nftables on a host without nft and iptables: nothing asks for them", (sandbox) => {
  configure("nftables");
  const before = withoutPrograms(sandbox);
  const { code } = sandbox.try("env", [...before, "nft", "--version"]);
  assertEquals(code, 127, "nft is not installed there");
  assertEquals(life(sandbox, before), NONE);
}, { needs: [...NEEDS, "iptables", "unshare"] });

kernelTest("nftables on a host with nft and iptables: neither is started", (sandbox) => {
  configure("nftables");
  assertEquals(life(sandbox), NONE);
}, { needs: [...NEEDS, "iptables"] });

kernelTest("what was made with iptables is removed with iptables, and without nft", (sandbox) => {
  const netns = sandbox.container("one");
  const made = () => sandbox.run("iptables-save", []).split("\n").filter((l) => /CNI-DN/.test(l));
  configure("iptables");
  assert(
    programsOf("cnitool", ["add", "n", netns.path], { startsPrograms: true }).has(
      "iptables-restore",
    ),
  );
  assert(made().length > 0);
  configure("nftables");
  const programs = programsOf("cnitool", ["del", "n", netns.path], { startsPrograms: true });
  assertEquals(made(), []);
  assertEquals(programs.has("nft"), false);
}, { needs: [...NEEDS, "iptables"] });
