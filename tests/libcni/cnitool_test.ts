/** cnitool as a user runs it, with the cache in its default place. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isFile } from "../../scripts/support/files.ts";
import { NoopPlugins } from "../support/noop_plugins.ts";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const RESULTS = "/var/lib/cni/results";
/** SHA-512 of the namespace's path, ten bytes of it. */
const TESTING = "cnitool-77383ca0a0715733ca6f";

const RESULT = {
  cniVersion: "1.1.0",
  interfaces: [{ name: "eth0" }],
  ips: [{ address: "10.1.0.2/24" }],
};

/** Two plugins, and networks of them in the default place. */
class Fixture extends NoopPlugins {
  constructor() {
    super("a", "b");
    Deno.mkdirSync("/etc/cni/net.d");
    this.network("net");
    this.reply("b", "ADD", { stdout: RESULT });
  }

  network(name: string, fields: Record<string, unknown> = {}): void {
    const plugins = [{ type: "a", capabilities: { mac: true } }, { type: "b" }];
    Deno.writeTextFileSync(
      `/etc/cni/net.d/${name}.conflist`,
      JSON.stringify({ name, cniVersion: "1.1.0", plugins, ...fields }),
    );
  }

  get env(): Record<string, string> {
    return {
      PATH: Deno.env.get("PATH")!,
      HOME: Deno.env.get("HOME") ?? "/",
      ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
      CNI_PATH: this.path,
    };
  }

  run(args: string[], env: Record<string, string> = {}, input = "") {
    return outputWithInput(`${pluginDirectory()}/cnitool`, input, { ...this.env, ...env }, args);
  }
}

function cached(): string[] {
  return Array.from(Deno.readDirSync(RESULTS), ({ name }) => name).sort();
}

kernelTest("cnitool attaches, checks and detaches, and prints nothing but the result", () => {
  using fixture = new Fixture();
  const target = ["net", "/var/run/netns/testing"];
  const added = fixture.run(["add", ...target], {
    CNI_ARGS: "A=1;B=2",
    CAP_ARGS: '{"mac": "02:00:00:00:00:01"}',
  });
  assertEquals([added.code, added.stderr], [0, ""]);
  assertEquals(added.stdout, JSON.stringify(RESULT, null, 4));
  assertEquals(cached(), [`net-${TESTING}-eth0`]);
  const [a] = fixture.calls();
  assertEquals(
    [a!.env.CNI_CONTAINERID, a!.env.CNI_NETNS, a!.env.CNI_IFNAME, a!.env.CNI_ARGS],
    [TESTING, "/var/run/netns/testing", "eth0", "A=1;B=2"],
  );
  assertEquals(a!.stdin.runtimeConfig, { mac: "02:00:00:00:00:01" });

  for (const command of ["check", "del"]) {
    assertEquals(fixture.run([command, ...target]), { code: 0, stdout: "", stderr: "" });
  }
  assertEquals(fixture.order(), ["a ADD", "b ADD", "a CHECK", "b CHECK", "b DEL", "a DEL"]);
  assertEquals(cached(), []);
});

kernelTest("cnitool takes the interface's name from the option, then from the environment", () => {
  using fixture = new Fixture();
  const nameWith = (options: string[], env: Record<string, string>) => {
    fixture.run(["add", "net", "/ns", ...options], env);
    return fixture.calls().at(-1)!.env.CNI_IFNAME;
  };
  assertEquals(nameWith(["-i", "x0"], { CNI_IFNAME: "y0" }), "x0");
  assertEquals(nameWith(["--ifname=x1"], {}), "x1");
  assertEquals(nameWith([], { CNI_IFNAME: "y0" }), "y0");
  assertEquals(nameWith([], {}), "eth0");
});

kernelTest("cnitool makes the namespace's path absolute, by the name the shell has for it", () => {
  using fixture = new Fixture();
  Deno.mkdirSync("/run/test/real/netns", { recursive: true });
  Deno.symlinkSync("/run/test/real", "/run/test/link");
  const home = Deno.cwd();
  const pathWith = (env: Record<string, string>) => {
    fixture.run(["add", "net", "../netns/./testing"], env);
    return fixture.calls().at(-1)!.env.CNI_NETNS;
  };
  try {
    Deno.chdir("/run/test/real/netns");
    // The shell that starts cnitool would put PWD right.
    assertEquals(pathWith({ PWD: "/run/test/link/netns" }), "/run/test/link/netns/testing");
    assertEquals(pathWith({ PWD: "/run/test" }), "/run/test/real/netns/testing");
  } finally {
    Deno.chdir(home);
  }
});

kernelTest("cnitool add says how to take back what a failing plugin left undone", () => {
  using fixture = new Fixture();
  fixture.reply("b", "ADD", { stdout: { code: 11, msg: "no lease" }, exit: 1 });
  const { code, stdout, stderr } = fixture.run(["add", "net", "/ns", "-i", "x0"]);
  assertEquals([code, stdout], [1, ""]);
  assertEquals(stderr.split("\n"), [
    "cnitool: cannot attach x0 in /ns to net",
    '  plugin type="b" failed (add): no lease',
    "  code 11: try again later",
    "  what helps: the same command may succeed in a moment",
    "  what helps: cnitool del net /ns -i x0 takes it back",
    "",
  ]);

  fixture.reply("b", "ADD", { stdout: {} });
  assertEquals(fixture.run(["add", "net", "/ns", "-i", "x0"]).code, 0);
  fixture.reply("b", "ADD", { stdout: { code: 4, msg: "x0 is there" }, exit: 1 });
  assertStringIncludes(
    fixture.run(["add", "net", "/ns", "-i", "x0"]).stderr,
    "what helps: cnitool del net /ns -i x0 first: it is attached\n",
  );
});

kernelTest("cnitool heeds a signal between two plugins, not in the middle of one", async () => {
  using fixture = new Fixture();
  const [started, goOn] = [`${fixture.directory}/started`, `${fixture.directory}/go-on`];
  const script = `: > ${started}; while [ ! -f ${goOn} ]; do sleep 0.05; done`;
  fixture.reply("a", "ADD", { stdout: {}, script });
  const child = new Deno.Command(`${pluginDirectory()}/cnitool`, {
    args: ["add", "net", "/ns"],
    env: fixture.env,
    clearEnv: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  for (let i = 0; i < 1000 && !isFile(started); i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill("SIGTERM");
  let said = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes("SIGTERM: ends when the plugin has")) Deno.writeTextFileSync(goOn, "");
  }
  const { code } = await child.status;
  assertEquals([code, fixture.order()], [1, ["a ADD"]]);
  assertStringIncludes(said, 'plugin type="b" failed (add): interrupted by SIGTERM');
  assertStringIncludes(said, "what helps: cnitool del net /ns -i eth0 takes it back\n");
});

kernelTest("cnitool gc deletes what is not said to be valid, and only that", () => {
  using fixture = new Fixture();
  fixture.network("other");
  const add = (network: string, netns: string, ifName: string) =>
    assertEquals(fixture.run(["add", network, netns, "-i", ifName]).code, 0);
  const idOf = (netns: string, ifName: string) => {
    const start = cached().find((name) =>
      name.endsWith(`-${ifName}`) &&
      JSON.parse(Deno.readTextFileSync(`${RESULTS}/${name}`)).netns === netns
    )!;
    return JSON.parse(Deno.readTextFileSync(`${RESULTS}/${start}`)).containerId;
  };
  add("net", "/ns/1", "eth0");
  add("net", "/ns/1", "eth1");
  add("net", "/ns/2", "eth0");
  add("other", "/ns/1", "eth0");
  const [one, two] = [idOf("/ns/1", "eth0"), idOf("/ns/2", "eth0")];

  const refused = fixture.run(["gc", "net", "/ns/1"]);
  assertEquals([refused.code, cached().length], [2, 4]);

  const first = fixture.run(["gc", "net", "--keep", "/ns/1:eth0", "--keep", `${two}:eth0`]);
  assertEquals(first, { code: 0, stdout: `net: deleted ${one}:eth1\n`, stderr: "" });
  assertEquals(fixture.calls().at(-1)!.stdin["cni.dev/valid-attachments"], [
    { containerID: one, ifname: "eth0" },
    { containerID: two, ifname: "eth0" },
  ]);

  const list = JSON.stringify([{ containerID: two, ifname: "eth0" }]);
  const second = fixture.run(["gc", "net", "--valid", "-", "--json"], {}, list);
  assertEquals(JSON.parse(second.stdout), {
    network: "net",
    disableGC: false,
    deleted: [`${one}:eth0`],
  });
  assertEquals(cached(), [`net-${two}-eth0`, `other-${one}-eth0`]);

  for (
    const broken of ["{}", '[{"containerID": "x"}]', "[", '[{"containerID": 1, "ifname": ""}]']
  ) {
    const { code, stderr } = fixture.run(["gc", "net", "--valid", "-"], {}, broken);
    assertEquals([code, cached().length], [1, 2], broken);
    assertStringIncludes(stderr, "standard input: ");
  }

  const missing = fixture.run(["gc", "net", "--valid", "/none"]);
  assertStringIncludes(missing.stderr, "/none: cannot read it: ENOENT\n  code 5: I/O failure\n");

  assertEquals(fixture.run(["gc", "net", "--all"]).stdout, `net: deleted ${two}:eth0\n`);
  assertEquals(
    fixture.run(["gc", "net", "--all"]).stdout,
    "net: no attachment had to be deleted\n",
  );
  fixture.network("other", { disableGC: true });
  assertMatch(fixture.run(["gc", "other", "--all"]).stdout, /^other has disableGC/);
  assertEquals(cached(), [`other-${one}-eth0`]);
});

kernelTest("cnitool attaches a real namespace with a real plugin", (sandbox) => {
  const container = sandbox.container();
  const file = "/run/test/lo.conf";
  Deno.writeTextFileSync(
    file,
    JSON.stringify({ name: "lo", cniVersion: "1.0.0", type: "loopback" }),
  );
  const run = (command: string) =>
    outputWithInput(`${pluginDirectory()}/cnitool`, "", {
      PATH: Deno.env.get("PATH")!,
      HOME: Deno.env.get("HOME") ?? "/",
      ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
      CNI_PATH: pluginDirectory(),
      CNI_IFNAME: "lo",
    }, [command, file, container.path]);
  const isUp = () => sandbox.ip("link show lo", container)[0].flags.includes("UP");
  const added = run("add");
  assertEquals(added.code, 0, added.stderr);
  assertEquals(JSON.parse(added.stdout).interfaces[0].sandbox, container.path);
  assertEquals(isUp(), true);
  assertEquals(run("check").code, 0);
  assertEquals(run("del").code, 0);
  assertEquals(isUp(), false);
});
