/** cnitool as a user runs it, with the cache in its default place. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isFile } from "../../scripts/support/files.ts";
import { Cnitool, RESULT } from "../support/cnitool.ts";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { kernelTest } from "../support/sandbox.ts";

const RESULTS = "/var/lib/cni/results";
/** Ten bytes of the SHA-512 of /run/netns/testing, as the Go cnitool names that container. */
const TESTING = "cnitool-43057b9dcc39fe733071";
/** The same of /var/run/netns/testing. */
const TESTING_VAR = "cnitool-77383ca0a0715733ca6f";

function cached(): string[] {
  return Array.from(Deno.readDirSync(RESULTS), ({ name }) => name).sort();
}

kernelTest("cnitool attaches, checks and detaches, and prints nothing but the result", () => {
  using fixture = new Cnitool();
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
  using fixture = new Cnitool();
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
  using fixture = new Cnitool();
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

kernelTest(
  "cnitool knows a container by whatever path leads to its namespace, or by its name",
  (sandbox) => {
    using fixture = new Cnitool();
    const { path } = sandbox.container("testing");
    sandbox.run("ip", ["netns", "attach", "same", String(Deno.pid)]);
    Deno.symlinkSync("/run/netns/testing", "/run/test/link");
    const names = [
      path,
      "/run/netns/testing",
      "testing",
      "/run/test/link",
      "/run/../run/netns/testing",
    ];
    for (const [index, name] of names.entries()) {
      assertEquals(fixture.run(["add", "net", name]).code, 0);
      assertEquals(cached(), [`net-${TESTING}-eth0`], name);
      assertEquals(fixture.run(["check", "net", names.at(index - 1)!]).code, 0);
      assertEquals(fixture.run(["del", "net", names.at(index - 1)!]), {
        code: 0,
        stdout: "",
        stderr: "",
      });
      assertEquals(cached(), [], name);
    }
    const [added, checked] = fixture.calls().slice(-6).map(({ env }) => env);
    assertEquals(checked!.CNI_NETNS, added!.CNI_NETNS);

    // What was attached under the Go cnitool's ID for another path, and when the namespace is gone.
    assertEquals(fixture.run(["add", "net", "testing"]).code, 0);
    const file = (id: string) => `${RESULTS}/net-${id}-eth0`;
    const entry = JSON.parse(Deno.readTextFileSync(file(TESTING)));
    Deno.removeSync(file(TESTING));
    Deno.writeTextFileSync(
      file(TESTING_VAR),
      JSON.stringify({ ...entry, containerId: TESTING_VAR, netns: "/var/run/netns/testing" }),
    );
    sandbox.run("ip", ["netns", "del", "testing"]);
    assertEquals(fixture.run(["del", "net", "testing"]).code, 0);
    assertEquals(fixture.calls().at(-1)!.env.CNI_CONTAINERID, TESTING_VAR);
    assertEquals(cached(), []);
  },
);

kernelTest("cnitool detaches by the configuration that the namespace was attached with", () => {
  using fixture = new Cnitool();
  const target = ["net", "/ns"];
  const attach = () => {
    fixture.network("net");
    const env = { CNI_ARGS: "A=1", CAP_ARGS: '{"mac": "02:00:00:00:00:01"}' };
    assertEquals(fixture.run(["add", ...target], env).code, 0);
    return fixture.order().length;
  };
  const file = "/etc/cni/net.d/net.conflist";
  const changes: [string, () => void][] = [
    ["a plugin taken out", () => fixture.network("net", { plugins: [{ type: "b" }] })],
    ["unreadable", () => Deno.writeTextFileSync(file, "{")],
    ["gone", () => Deno.removeSync(file)],
  ];
  for (const [what, change] of changes) {
    for (const args of [["del", ...target], ["gc", "net", "--all"]]) {
      const before = attach();
      change();
      const { code, stderr } = fixture.run(args);
      assertEquals(code, 0, `${what}: ${stderr}`);
      assertEquals(fixture.order().slice(before, before + 2), ["b DEL", "a DEL"], what);
      // Whoever is told of no network any more is told of which.
      assertEquals(stderr.includes("taken as it was"), what !== "a plugin taken out", stderr);
      const { env, stdin } = fixture.calls()[before + 1]!;
      assertEquals([env.CNI_ARGS, stdin.runtimeConfig.mac], ["A=1", "02:00:00:00:00:01"]);
      assertEquals(cached(), []);
    }
  }
  assertStringIncludes(
    fixture.run(["del", ...target]).stderr,
    "no net configurations found in /etc/cni/net.d",
  );

  // Plugins that a directory beside the list adds to it, and that is gone by now.
  Deno.mkdirSync("/etc/cni/net.d/net");
  Deno.writeTextFileSync("/etc/cni/net.d/net/b.conf", '{"type": "b"}');
  fixture.network("net", { plugins: [{ type: "a" }] });
  assertEquals(fixture.run(["add", ...target]).code, 0);
  Deno.removeSync("/etc/cni/net.d/net", { recursive: true });
  assertEquals(fixture.run(["del", ...target]).code, 0);
  assertEquals(fixture.order().slice(-2), ["b DEL", "a DEL"]);
});

kernelTest("cnitool says of what was never attached that it was not, and what is", () => {
  using fixture = new Cnitool();
  const check = fixture.run(["check", "net", "/ns"]);
  assertEquals([check.code, fixture.order()], [1, []]);
  assertStringIncludes(
    check.stderr,
    "it was never attached, or is not any more; nothing is attached",
  );

  fixture.run(["add", "net", "/ns"]);
  const other = fixture.run(["check", "net", "/ns", "-i", "eth1", "--json"]);
  assertStringIncludes(other.stderr, ":eth0 (/ns)");
  const { error, ...facts } = JSON.parse(other.stdout);
  assertEquals([error.code, facts.ifname, facts.netns], [3, "eth1", "/ns"]);

  // What an ADD left that failed is cached nowhere, so the plugins are asked all the same.
  const del = fixture.run(["del", "net", "/ns", "-i", "eth1"]);
  assertEquals([del.code, fixture.order().slice(-2)], [0, ["b DEL", "a DEL"]]);
  assertStringIncludes(del.stderr, "warning: eth1 in /ns was not known to be attached to net");
  assertEquals(JSON.parse(fixture.run(["del", "net", "/ns", "--json"]).stdout).wasAttached, true);
  assertEquals(JSON.parse(fixture.run(["del", "net", "/ns", "--json"]).stdout).wasAttached, false);
});

kernelTest(
  "cnitool add says how to take back what a failing plugin left undone",
  () => {
    using fixture = new Cnitool();
    fixture.reply("b", "ADD", { stdout: { code: 11, msg: "no lease" }, exit: 1 });
    const { code, stdout, stderr } = fixture.run(["add", "net", "/ns", "-i", "x0"]);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr.split("\n"), [
      "cnitool: cannot attach x0 in /ns to net",
      '  plugin type="b" failed (add): no lease',
      "  code 11: try again later",
      "  what helps: cnitool del net /ns -i x0 takes it back",
      "  what helps: the same command may succeed in a moment",
      "",
    ]);

    fixture.reply("b", "ADD", { stdout: {} });
    assertEquals(fixture.run(["add", "net", "/ns", "-i", "x0"]).code, 0);
    fixture.reply("b", "ADD", { stdout: { code: 4, msg: "x0 is there" }, exit: 1 });
    assertStringIncludes(
      fixture.run(["add", "net", "/ns", "-i", "x0"]).stderr,
      "what helps: cnitool del net /ns -i x0 first: it is attached\n",
    );
  },
);

kernelTest(
  "cnitool add says nothing of taking back where nothing was made, or it must fail alike",
  (sandbox) => {
    using fixture = new Cnitool();
    const helpOf = (args: string[], env?: Record<string, string>) => {
      const { code, stderr } = fixture.run(args, env);
      assertEquals(code, 1, stderr);
      return stderr.split("\n").filter((line) => line.startsWith("  what helps: "));
    };
    Deno.removeSync(`${fixture.path}/b`);
    assertEquals(helpOf(["add", "net", "/ns"]), [
      "  what helps: install b first; then cnitool del net /ns -i eth0 takes back what a did",
    ]);
    Deno.removeSync(`${fixture.path}/a`);
    assertEquals(helpOf(["add", "net", "/ns"]), []);

    // A plugin of our own takes back what it did by itself.
    const { path } = sandbox.container();
    fixture.network("own", { plugins: [{ type: "loopback" }], cniVersion: "9.9.9" });
    const own = { CNI_PATH: pluginDirectory(), CNI_IFNAME: "eth9" };
    const isExecutable = Deno.env.has("CNI_TEST_BIN");
    const helps = helpOf(["add", "own", path], own);
    assertEquals(helps.some((line) => line.includes("cnitool del")), !isExecutable);
  },
);

kernelTest("cnitool heeds a signal between two plugins, not in the middle of one", async () => {
  using fixture = new Cnitool();
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
  using fixture = new Cnitool();
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

  // Whoever misspells what is to stay does not want it to be deleted.
  for (const wrong of ["/ns/3:eth0", "/ns/1:eth2", "1:eth0", `${one}0:eth0`]) {
    const { code, stderr } = fixture.run(["gc", "net", "--keep", `${two}:eth0`, "--keep", wrong]);
    assertEquals([code, cached().length], [1, 4], wrong);
    assertStringIncludes(stderr, `--keep ${wrong} is no attachment that is known`);
    for (const known of [`${one}:eth0 (/ns/1)`, `${one}:eth1 (/ns/1)`, `${two}:eth0 (/ns/2)`]) {
      assertStringIncludes(stderr, known);
    }
  }

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
