import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { findCommand } from "./lib/cli/command.ts";
import { help as helpOf } from "./lib/cli/help.ts";
import { CNITOOL } from "./lib/cnitool/program.ts";
import { NoopPlugins } from "./tests/support/noop_plugins.ts";
import { fromFileUrl } from "./tests/support/paths.ts";

const ROOT = fromFileUrl(new URL(".", import.meta.url));
const TOOL = ["run", "-qA", "--no-check", `${ROOT}/cnitool.ts`];

interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

/** Plugins a and b, a network `net` of both and its directory. */
class Fixture extends NoopPlugins {
  readonly networks = `${this.directory}/net.d`;

  constructor() {
    super("a", "b");
    Deno.mkdirSync(this.networks);
    this.network("net", {});
  }

  network(name: string, fields: Record<string, unknown>): string {
    const plugins = [{ type: "a", ipam: { type: "b" } }];
    const file = `${this.networks}/${name}.conflist`;
    Deno.writeTextFileSync(
      file,
      JSON.stringify({ name, cniVersion: "1.1.0", plugins, ...fields }),
    );
    return file;
  }

  get env(): Record<string, string> {
    return { ...Deno.env.toObject(), CNI_PATH: this.path, NETCONFPATH: this.networks };
  }

  run(...args: string[]): Answer {
    return run(args, this.env);
  }
}

function run(args: readonly string[], env?: Record<string, string>): Answer {
  const output = new Deno.Command(Deno.execPath(), {
    args: [...TOOL, ...args],
    env,
    clearEnv: env !== undefined,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** Runs cnitool on a terminal, as a user sees it; both streams come as one. */
function runOnTerminal(fixture: Fixture, ...args: string[]): Answer {
  const command = [Deno.execPath(), ...TOOL, ...args].map((word) => `'${word}'`).join(" ");
  const output = new Deno.Command("script", {
    args: ["-qec", command, "/dev/null"],
    env: { ...fixture.env, NO_COLOR: "" },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  return { code: output.code, stdout: new TextDecoder().decode(output.stdout), stderr: "" };
}

Deno.test("cnitool --help lists the commands, and each explains itself", () => {
  const { code, stdout, stderr } = run(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const word of ["add ", "check ", "del ", "gc ", "status ", "version ", "NETCONFPATH"]) {
    assertStringIncludes(stdout, word);
  }
  assertEquals(run(["help"]).stdout, stdout);
  const help = run(["help", "gc"]).stdout;
  assertStringIncludes(help, "usage: cnitool gc NETWORK [NETNS] [OPTION…]");
  assertStringIncludes(help, "--keep CONTAINERID:IFNAME");
  assertEquals(run(["gc", "--help"]).stdout, help);
});

Deno.test("cnitool explains each command with its options, an example and what --json prints", () => {
  for (const { name, operands, options, example, json, summary } of CNITOOL.commands) {
    const help = helpOf(CNITOOL, findCommand(CNITOOL, name));
    assertStringIncludes(help, `usage: cnitool ${name} `);
    for (const operand of operands) assertStringIncludes(help, operand.name);
    for (const option of options) assertStringIncludes(help, `--${option.name}`);
    assertMatch(example, new RegExp(`^cnitool ${name}( |$)`));
    assertStringIncludes(help, example);
    assertEquals(options.some((option) => option.name === "json"), json !== undefined, name);
    assertMatch(summary, /^[a-z].*[^.]$/);
    assert(help.split("\n").every((line) => line.length <= 110), help);
  }
});

Deno.test("cnitool's page has a section for each command, with its example", () => {
  const page = Deno.readTextFileSync(`${ROOT}/docs/cnitool.md`);
  for (const { name, example } of CNITOOL.commands) {
    assertStringIncludes(
      page.split("\n## ").find((section) => section.startsWith(`${name}\n`))!,
      `\n\`\`\`sh\n${example}\n\`\`\``,
    );
  }
});

Deno.test("cnitool's options mean the same wherever they are", () => {
  const shapes = new Map<string, string>();
  for (const { options } of CNITOOL.commands) {
    for (const { name, short, value, repeated } of options) {
      const shape = JSON.stringify([short, value !== undefined, repeated]);
      assertEquals(shapes.get(name) ?? shape, shape, name);
      shapes.set(name, shape);
    }
  }
});

Deno.test("cnitool takes options before the command, and words behind -- as they are", () => {
  using fixture = new Fixture();
  assertStringIncludes(
    fixture.run("-i", "a/b", "add", "net", "/ns").stderr,
    "interface name contains /",
  );
  assertStringIncludes(fixture.run("status", "--", "--json").stderr, 'name "--json"');
});

Deno.test("cnitool refuses a wrong command line with status 2, and does nothing", () => {
  using fixture = new Fixture();
  const wrong: [string[], string][] = [
    [[], "say what to do: add, check, completion"],
    [["ad"], "unknown command ad (did you mean add?); there are add"],
    [["tatsus"], "unknown command tatsus (did you mean status?)"],
    [["frobnicate"], "unknown command frobnicate; there are add"],
    [["help", "ad"], "unknown command ad"],
    [["add", "net"], "add needs NETWORK NETNS"],
    [["add", "net", ""], "add needs NETWORK NETNS"],
    [["add", "net", "/ns", "eth1"], "add takes only NETWORK NETNS; what is eth1?"],
    [["graph", "net"], "graph takes no argument; what is net?"],
    [["add", "net", "/ns", "--all"], "add has no option --all"],
    [["--all", "add", "net", "/ns"], "add has no option --all"],
    [["add", "net", "/ns", "--ifnmae", "x"], "unknown option --ifnmae (did you mean --ifname?)"],
    [["add", "net", "/ns", "-i"], "--ifname needs a value"],
    [["status", "net", "-i", "eth1"], "status has no option --ifname"],
    [["gc", "net"], "gc must be told which attachments are still valid"],
    [["gc", "net", "/ns"], "gc must be told which attachments are still valid"],
    [["gc", "net", "--all", "--keep", "c:eth0"], "--all keeps nothing"],
    [["gc", "net", "--keep", "c"], "--keep c: it must be CONTAINERID:IFNAME"],
    [["gc", "net", "--keep"], "--keep needs a value"],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = fixture.run(...args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertStringIncludes(stderr, message);
    assertMatch(stderr, /--help says how it is used\n$/);
  }
  assertEquals(fixture.calls(), []);
});

Deno.test("cnitool version prints its own, and what the network's plugins support", () => {
  using fixture = new Fixture();
  assertMatch(
    fixture.run("version").stdout,
    /^cnitool .+\nCNI protocol versions supported: 0\.1\.0/,
  );
  assertEquals(fixture.run("--version").stdout, fixture.run("version").stdout);

  const supportedVersions = ["1.0.0", "1.1.0"];
  fixture.reply("a", "VERSION", { stdout: { cniVersion: "1.1.0", supportedVersions } });
  const { code, stdout } = fixture.run("version", "net");
  assertEquals(code, 0);
  assertStringIncludes(stdout, `\n  a: 1.0.0, 1.1.0 (${fixture.path}/a)\n  b: 0.1.0, 0.2.0`);

  Deno.removeSync(`${fixture.path}/b`);
  const without = fixture.run("version", "net", "--json");
  assertEquals(without.code, 1);
  const { network } = JSON.parse(without.stdout);
  assertEquals(network.plugins[0], { type: "a", file: `${fixture.path}/a`, supportedVersions });
  assertStringIncludes(network.plugins[1].error, 'failed to find plugin "b"');

  fixture.network("old", { cniVersion: "0.4.0", plugins: [{ type: "a" }] });
  assertEquals(fixture.run("version", "old").code, 1);
});

Deno.test("cnitool status says whether the network is ready, by name or by file", () => {
  using fixture = new Fixture();
  const file = fixture.network("new", { plugins: [{ type: "a" }] });
  for (const name of ["new", file]) {
    assertEquals(fixture.run("status", name), { code: 0, stdout: "new is ready\n", stderr: "" });
  }
  assertEquals(fixture.order(), ["a STATUS", "a STATUS"]);
  fixture.network("old", { cniVersion: "1.0.0" });
  assertMatch(
    fixture.run("status", "old").stdout,
    /^old cannot be asked: STATUS came with 1\.1\.0/,
  );
  assertEquals(JSON.parse(fixture.run("status", "old", "--json").stdout), {
    network: "old",
    asked: false,
    ready: null,
  });
});

Deno.test("cnitool explains an error: what failed, which plugin, the code and what helps", () => {
  using fixture = new Fixture();
  fixture.reply("a", "STATUS", { stdout: { code: 50, msg: "no daemon", details: "x" }, exit: 1 });
  const { code, stdout, stderr } = fixture.run("status", "net");
  assertEquals([code, stdout], [1, ""]);
  assertEquals(stderr.split("\n"), [
    "cnitool: cannot say that net is ready",
    '  plugin type="a" failed (status): no daemon',
    "  details: x",
    "  code 50: plugin not available",
    "",
  ]);
  const json = fixture.run("status", "net", "--json");
  assertEquals(JSON.parse(json.stdout), {
    network: "net",
    asked: true,
    ready: false,
    error: { code: 50, msg: 'plugin type="a" failed (status): no daemon', details: "x" },
  });

  const unknown = fixture.run("add", "missing", "/ns");
  assertEquals(unknown.code, 1);
  assertStringIncludes(unknown.stderr, 'no net configuration with name "missing"');
  assertStringIncludes(unknown.stderr, "the networks there are net");
});

Deno.test("cnitool warns of configuration files that it had to pass over", () => {
  using fixture = new Fixture();
  Deno.writeTextFileSync(`${fixture.networks}/00-broken.conflist`, "{");
  const { code, stderr } = fixture.run("status", "net");
  assertEquals(code, 0);
  assertMatch(stderr, /^cnitool: warning: passed over .*00-broken\.conflist: invalid JSON/);
});

Deno.test("cnitool checks its environment", () => {
  using fixture = new Fixture();
  const stderrWith = (env: Record<string, string>) =>
    run(["add", "net", "/ns"], { ...fixture.env, ...env }).stderr;
  assertStringIncludes(stderrWith({ CNI_ARGS: "A=1;" }), 'invalid pair ""');
  assertStringIncludes(stderrWith({ CNI_ARGS: "A=" }), 'invalid CNI_ARGS pair "A="');
  assertStringIncludes(stderrWith({ CAP_ARGS: "[]" }), "CAP_ARGS: it is a list");
  assertStringIncludes(stderrWith({ CAP_ARGS: "{" }), "CAP_ARGS: invalid JSON");
  assertStringIncludes(stderrWith({ CNI_IFNAME: "a/b" }), "interface name contains /");
  assertEquals(fixture.calls(), []);
});

Deno.test("cnitool validate tells of mistakes by network, file or directory", () => {
  using fixture = new Fixture();
  fixture.install("bridge");
  fixture.network("bad", { plugins: [{ type: "bridge", mtu: "1" }, { type: "nobody" }] });
  const good = fixture.run("validate", "net");
  assertEquals(good, {
    code: 0,
    stdout: `${fixture.networks}/net.conflist: network net is in order\n`,
    stderr: "",
  });
  const file = `${fixture.networks}/bad.conflist`;
  const { code, stdout } = fixture.run("validate", "bad");
  assertEquals(code, 1);
  const [wrong, missing] = stdout.split("\n");
  assertMatch(wrong!, /bad\.conflist:1:\d+: error: bridge: "mtu" is "1"/);
  assertMatch(missing!, /bad\.conflist:1:\d+: error: there is no plugin "nobody"/);
  assertEquals(fixture.run("validate", file).stdout, stdout);
  assertEquals(fixture.run("validate", `${fixture.networks}/../net.d/bad.conflist`).stdout, stdout);
  for (const args of [[], [`${fixture.networks}`]]) {
    const all = JSON.parse(fixture.run("validate", ...args, "--json").stdout);
    assertEquals([all.errors, all.warnings, all.files.length], [2, 0, 2]);
    const { message: _, ...finding } = all.files[0].findings[0];
    assertEquals(finding, { severity: "error", file, line: 1, column: finding.column });
  }
  assertMatch(fixture.run("validate", "none").stderr, /no network "none" .*: there are bad, net/);
  fixture.network("odd", { plugins: [{ type: "bridge", mtus: 1 }] });
  assertEquals(fixture.run("validate", "odd").code, 0);
  assertEquals(fixture.run("validate", "odd", "--strict").code, 1);
});

Deno.test("cnitool add and status warn of mistakes where a person is looking, or with --strict", () => {
  using fixture = new Fixture();
  fixture.install("bridge");
  fixture.network("odd", { plugins: [{ type: "bridge", mtus: 1 }] });
  assertEquals(fixture.run("status", "odd").stderr, "");
  assertStringIncludes(
    runOnTerminal(fixture, "status", "odd").stdout,
    'warning: bridge does not know the key "mtus"',
  );
  const asked = fixture.order().filter((call) => call === "bridge STATUS").length;
  for (const args of [["status", "odd"], ["add", "odd", "/ns"]]) {
    const { code, stderr } = fixture.run(...args, "--strict");
    assertEquals(code, 1);
    assertMatch(stderr, /does not know the key "mtus".*\n.*nothing was done/s);
  }
  assertEquals(fixture.order().filter((call) => !call.endsWith("VERSION")).length, asked);
  assertEquals(fixture.run("status", "net", "--strict").code, 0);
});

Deno.test("cnitool shows progress and colour on a terminal only", () => {
  using fixture = new Fixture();
  fixture.reply("a", "STATUS", {
    stdout: { code: 50, msg: "slow" },
    script: "sleep 1.5",
    exit: 1,
  });
  const { stdout } = runOnTerminal(fixture, "status", "net");
  assertStringIncludes(stdout, "\r\x1b[Ka STATUS … ");
  assertStringIncludes(stdout, "\r\x1b[Kcnitool: \x1b[31mcannot");
  const { stderr } = fixture.run("status", "net");
  assert(!stderr.includes("\x1b") && !stderr.includes("…"), stderr);
});
