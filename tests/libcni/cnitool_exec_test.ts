/** `cnitool exec`: a program in a namespace, in cnitool's place. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Cnitool } from "../support/cnitool.ts";
import { outputWithInput, pluginDirectory } from "../support/plugins.ts";
import { BackgroundProcess } from "../support/process.ts";
import { kernelTest } from "../support/sandbox.ts";

kernelTest(
  "cnitool exec runs a program in the namespace, with its arguments, input and status",
  (sandbox) => {
    using fixture = new Cnitool();
    const netns = sandbox.container("blue");
    sandbox.run("ip", ["link", "add", "in0", "type", "veth", "peer", "in1"], { netns });
    const exec = (...args: string[]) => fixture.run(["exec", ...args], {}, "from stdin\n");
    const words = exec("blue", "--", "printf", "%s.", "a b", "", "--json", "--", "$HOME");
    assertEquals(words, { code: 0, stdout: "a b..--json.--.$HOME.", stderr: "" });
    assertEquals(exec(netns.path, "cat").stdout, "from stdin\n");
    assertEquals(exec("blue", "sh", "-c", "exit 7").code, 7);
    const links = exec("blue", "--", "ls", "/sys/class/net").stdout.split("\n");
    assertEquals([links.includes("in0"), links.includes("in1")], [true, true]);
    assertEquals(
      exec("blue", "sh", "-c", "readlink /proc/self/ns/net").stdout,
      `net:[${netns.ino}]\n`,
    );
    assertStringIncludes(exec("blue", "env").stdout, `CNI_PATH=${fixture.path}\n`);
  },
);

kernelTest("cnitool exec leaves the program nothing of its own", (sandbox) => {
  using fixture = new Cnitool();
  sandbox.container("blue");
  const grep = ["-hoE", "^Sig(Blk|Ign):\\s+[0-9a-f]+", "/proc/self/status"];
  // Signals from 32 on are the C library's own business.
  const dispositions = (text: string) =>
    text.trim().split("\n").map((line) => Number(BigInt(`0x${line.split("\t")[1]}`) & 0x7fffffffn));
  const inherited = dispositions(fixture.run(["exec", "blue", "grep", ...grep]).stdout);
  assertEquals(inherited, dispositions(sandbox.run("grep", grep)));
  // Bun closes what it was given beside the standard streams; nothing may come on top.
  const open = fixture.run(["exec", "blue", "ls", "/proc/self/fd"]).stdout.split("\n");
  const without = outputWithInput("ls", "", fixture.env, ["/proc/self/fd"]).stdout.split("\n");
  assertEquals(open.filter((number) => !without.includes(number)), []);
});

kernelTest(
  "cnitool exec shows the namespace's own files of /etc, and to nobody else",
  (sandbox) => {
    using fixture = new Cnitool();
    sandbox.container("blue");
    Deno.mkdirSync("/run/test/etc/blue", { recursive: true });
    Deno.writeTextFileSync("/run/test/etc/blue/hosts", "10.1.0.1 gateway\n");
    Deno.writeTextFileSync("/run/test/etc/blue/absent.here", "x");
    const hadNetns = sandbox.try("mkdir", ["/etc/netns"]).code !== 0;
    try {
      sandbox.run("mount", ["--bind", "/run/test/etc", "/etc/netns"]);
      assertEquals(fixture.run(["exec", "blue", "cat", "/etc/hosts"]).stdout, "10.1.0.1 gateway\n");
      assertEquals(Deno.readTextFileSync("/etc/hosts").includes("10.1.0.1 gateway"), false);
    } finally {
      sandbox.run("umount", ["/etc/netns"]);
      if (!hadNetns) Deno.removeSync("/etc/netns");
    }
  },
);

kernelTest(
  "cnitool exec says why a program cannot be run, or a namespace not be entered",
  (sandbox) => {
    using fixture = new Cnitool();
    sandbox.container("blue");
    const exec = (...args: string[]) => fixture.run(["exec", ...args]);
    const unknown = exec("blue", "no-such-program");
    assertEquals([unknown.code, unknown.stdout], [127, ""]);
    assertStringIncludes(unknown.stderr, "cannot execute no-such-program: ENOENT");
    assertEquals(exec("blue", "/etc/passwd").code, 126);
    assertEquals(exec("green", "true").code, 1);
    assertStringIncludes(exec("green", "true").stderr, "/var/run/netns/green");
    assertEquals(exec("blue").code, 2);
    assertStringIncludes(exec("blue", "--").stderr, "exec needs NETNS [--] PROGRAM");
  },
);

kernelTest("cnitool exec is the program itself to who sends signals", async (sandbox) => {
  sandbox.container("blue");
  await using running = new BackgroundProcess(`${pluginDirectory()}/cnitool`, [
    "exec",
    "blue",
    "sh",
    "-c",
    'trap "echo ended; exit 9" TERM; echo ready; while :; do sleep 0.02; done',
  ]);
  await running.until(() => running.output.includes("ready"), "the program");
  assertEquals(await running.stop("SIGTERM"), 9);
  assertStringIncludes(running.output, "ended");
});
