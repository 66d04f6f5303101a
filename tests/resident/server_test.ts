/**
 * The resident server with clients, in both runtimes: what is served, what is declined, and what
 * comes of a call when a caller, a client or the server goes.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ACCEPT_TIMEOUT_S } from "../../lib/server/protocol.ts";
import { sleep } from "../../lib/runtime/sleep.ts";
import { Collector } from "../support/collector.ts";
import { BackgroundProcess, eventually } from "../support/process.ts";
import { LATE_THREADS, usedAtRest } from "../support/process_use.ts";
import {
  appears,
  exists,
  type ProbeCall,
  type ProbeReply,
  ResidentProject,
} from "../support/resident_project.ts";
import { missing, type Reason, reportSkip } from "../support/requirements.ts";
import { MESSAGE_CASES } from "./messages.ts";
import { inSandbox } from "../support/sandbox.ts";

/** Less than a plugin waits for duplicate address detection. Milliseconds. */
const DETECTION_MS = 4000;

for (const runtime of ["deno", "bun"] as const) {
  const lacks: Reason | undefined = runtime === "deno" && !Deno.env.has("DENORT_BIN")
    ? {
      lacks: "a base executable for deno compile",
      remedy: "DENORT_BIN=/path/to/denort deno task test",
    }
    : missing(["root", "ip"]);
  if (lacks) reportSkip(`the resident server in ${runtime}`, lacks);
  Deno.test({
    name: `the resident server in ${runtime}`,
    ignore: lacks !== undefined,
    // libc is loaded when it is first used, and stays.
    sanitizeResources: false,
    async fn(test) {
      using project = new ResidentProject(runtime);
      for (const [name, run] of Object.entries(CASES)) {
        await test.step(name, () => run(project));
      }
      const lacksStrace = missing(["strace"]);
      if (lacksStrace) return reportSkip("the server killed at each message", lacksStrace);
      for (const [name, run] of Object.entries(MESSAGE_CASES)) {
        await test.step(name, () => run(project));
      }
    },
  });
}

/** Bytes that a pipe has room for, and that it takes in one write, whole or not at all. pipe(7) */
const [PIPE_SIZE, PIPE_BUF] = [65536, 4096];

/** The process that has done a call, by its result. */
function servedBy(stdout: string): number {
  return Number(/served by (\d+)/.exec(stdout)?.[1]);
}

const CASES: Readonly<Record<string, (project: ResidentProject) => Promise<void>>> = {
  async "it serves calls, whose environment, directory, umask and standard error are the caller's"(
    project,
  ) {
    await using server = await project.start();
    const [a, b] = [project.directory(), project.directory()];
    Deno.mkdirSync(`${a}/bin`);
    Deno.writeTextFileSync(`${a}/bin/who`, "#!/bin/sh\necho $WHO $BUN_JSC_useFTLJIT\n", {
      mode: 0o755,
    });
    Deno.mkdirSync(`${b}/bin`);
    Deno.writeTextFileSync(`${b}/bin/who`, "#!/bin/sh\necho other $WHO\n", { mode: 0o755 });
    const go = `${a}/go`;
    const call = (directory: string, WHO: string, umask: string) =>
      project.begin({
        containerId: WHO,
        before: ["/bin/sh", "-c", `umask ${umask}; exec "$0"`],
        cwd: directory,
        env: { WHO, PATH: `${directory}/bin:/usr/bin:/bin` },
        config: { ipam: { type: "host-local", subnet: "10.9.0.0/24", dataDir: "state" } },
        steps: {
          add: [
            ...[["write", "here"], ["wait", go], ["run", "who"], ["warn", WHO]] as const,
            ["delegate", "host-local"],
          ],
        },
      }).reply;
    const both = [call(a, "a", "077"), call(b, "b", "002")];
    for (const directory of [a, b]) await appears(`${directory}/here`);
    Deno.writeTextFileSync(go, "");
    const [ofA, ofB] = await Promise.all(both);
    assertEquals([ofA!.code, ofA!.stderr, ofB!.stderr], [0, "a\na\n", "other b\nb\n"]);
    assertEquals([servedBy(ofA!.stdout), servedBy(ofB!.stdout)], [server.pid, server.pid]);
    const modes = [a, b].map((directory) => Deno.statSync(`${directory}/here`).mode! & 0o777);
    assertEquals(modes, [0o600, 0o664]);
    const reserved = [a, b].map((directory) => {
      const { mode } = Deno.statSync(`${directory}/state/net`);
      return [Deno.readTextFileSync(`${directory}/state/net/10.9.0.2`), mode! & 0o777];
    });
    assertEquals(reserved, [["a\r\neth0", 0o700], ["b\r\neth0", 0o755]]);
    const { served, inFlight, declined, pid, runtime, ...rest } = await project.status();
    assertEquals([served, inFlight, declined, pid], [2, 0, {}, server.pid]);
    assert(Date.parse(rest.since) <= Date.now() && rest.memory > 0, JSON.stringify(rest));
    assert(rest.peakMemory >= rest.memory, JSON.stringify(rest));
    // The options of its own runtime, which are nobody else's.
    const own = Deno.readTextFileSync(`/proc/${server.pid}/environ`);
    assertEquals(own.includes("BUN_JSC_useFTLJIT=0"), runtime.startsWith("bun"));
    assertEquals(await server.stop(), 0);
    assert(!exists(project.socket), "its socket is gone");
  },

  async "its thread goes before others, and neither its other threads nor what it starts"(project) {
    await using server = await project.start();
    /** The niceness of proc_pid_stat(5), behind the name, which may have spaces in it. */
    const niceness = (stat: string) => Number(stat.replace(/^.*\) /s, "").split(" ")[16]);
    const ofThread = (id: number) => {
      try {
        return niceness(Deno.readTextFileSync(`/proc/${server.pid}/task/${id}/stat`));
      } catch {
        return undefined; // It has ended.
      }
    };
    const directory = project.directory();
    Deno.writeTextFileSync(`${directory}/who`, "#!/bin/sh\ncat /proc/$$/stat\n", { mode: 0o755 });
    const { stderr } = await project.call({
      env: { PATH: `${directory}:/usr/bin:/bin` },
      steps: { add: [["run", "who"]] },
    });
    assertEquals([ofThread(server.pid), niceness(stderr)], [-15, 0]);
    const threads = Array.from(
      Deno.readDirSync(`/proc/${server.pid}/task`),
      ({ name }) => Number(name),
    );
    const others = threads.filter((id) => id !== server.pid).map(ofThread)
      .filter((value) => value !== undefined);
    assert(others.length > 0);
    assertEquals(others.filter((value) => value !== 0), []);
    await server.stop();
    await using other = await project.start([], ["nice", "-n", "5"]);
    const given = niceness(Deno.readTextFileSync(`/proc/${other.pid}/stat`));
    assertEquals(given, 5, "the niceness that somebody gave it");
  },

  async "console.log of a plugin reaches the standard error of its caller, and no result"(project) {
    const call = (containerId: string) =>
      project.begin({ containerId, steps: { add: [["log", containerId]] } }).reply;
    const byItself = await call("without");
    assertEquals([byItself.code, byItself.stderr], [0, "without: { a: [ 1 ] }\n"]);
    await using server = await project.start();
    const [a, b] = await Promise.all([call("a"), call("b")]);
    assertEquals([a!.stderr, b!.stderr], ["a: { a: [ 1 ] }\n", "b: { a: [ 1 ] }\n"]);
    for (const { stdout } of [a!, b!]) assertEquals(servedBy(stdout), server.pid);
    assert(JSON.parse(byItself.stdout).dns && JSON.parse(a!.stdout).dns, "one JSON document each");
  },

  async "it declines what it could not answer alike, and the executable answers"(project) {
    await using server = await project.start();
    const other = (...before: string[]) => ({ before });
    const cases: Record<string, object> = {
      "another network namespace": other("unshare", "--net"),
      "another mount namespace": other("unshare", "--mount"),
      "another PID namespace": other("unshare", "--pid", "--fork"),
      "another user namespace": other("unshare", "--user", "--map-root-user"),
      "another group": other("setpriv", "--regid=1", "--clear-groups"),
      "another capability set": other("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"),
      "call without CNI_COMMAND": { env: { CNI_COMMAND: "" } },
      "call with CNI_TRACE_FD": { env: { CNI_TRACE_FD: "77" } },
      // Another file in each process.
      "CNI_LOG_FILE below /proc/self or /dev": { env: { CNI_LOG_FILE: "/dev/stderr" } },
      "CNI_NETNS below /proc/self or /dev": { env: { CNI_NETNS: "/proc//self/fd/0" } },
      "CNI_PATH below /proc/self or /dev": { env: { CNI_PATH: `${project.bin}:/dev/fd/0` } },
    };
    for (const [reason, call] of Object.entries(cases)) {
      const { code, stdout, stderr } = await project.call(call);
      assertEquals(code, 0, `${reason}: ${stdout}${stderr}`);
      const { served, declined } = await project.status();
      assert(reason in declined, `${reason}: ${Object.keys(declined).join(", ")}`);
      assertEquals(served, 0);
      if (stdout !== "") assert(servedBy(stdout) !== server.pid);
    }
    const { code, stdout } = await project.call({ env: { CNI_LOG_FILE: "/dev/../dev/null" } });
    assertEquals([code, servedBy(stdout)], [0, server.pid]);
  },

  async "each call is told what keeps its log from being written"(project) {
    await using _server = await project.start();
    for (const containerId of ["a", "b"]) {
      const { code, stderr } = await project.call({
        containerId,
        env: { CNI_LOG_FILE: "/nowhere/log" },
      });
      assertEquals([code, stderr.split(": ")[0]], [0, "CNI_LOG_FILE"]);
    }
  },

  async "the spans of a call go where its environment says, and no other's"(project) {
    await using server = await project.start();
    using collector = await Collector.start();
    const call = (containerId: string, env?: Record<string, string>) =>
      project.begin({ containerId, env }).reply;
    // Whatever else the machine does, one request of so many is answered in 100 ms.
    for (let attempt = 0; attempt < 30; attempt++) {
      const [observed] = await Promise.all([
        call("a", { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }),
        call("b"),
      ]);
      assertEquals(servedBy(observed!.stdout), server.pid);
      const requests = await collector.received();
      if (requests.length === 0) continue;
      // What an earlier attempt has sent may have come now.
      for (const { body } of requests) {
        const [span, ...more] = body.resourceSpans[0].scopeSpans[0].spans;
        assertEquals([span.name, more], ["probe ADD", []]);
        assertStringIncludes(
          JSON.stringify(span.attributes),
          '"container.id","value":{"stringValue":"a"}',
        );
      }
      return;
    }
    throw new Error("the collector received nothing");
  },

  async "it declines another user, were he let in, and another root directory"(project) {
    await using server = await project.start();
    const refused = project.begin({ before: ["setpriv", "--reuid=1", "--clear-groups"] });
    await refused.reply;
    assertEquals((await project.status()).declined, {}, "others cannot connect");
    project.openToAll();
    const { code, stdout } = await project.call({
      before: ["setpriv", "--reuid=1", "--clear-groups"],
    });
    assertEquals(code, 0, stdout);
    assert(servedBy(stdout) !== server.pid);
    assertEquals((await project.status()).declined, { "another user": 1 });

    const root = project.rootDirectory();
    // There is nothing in there that the executable could run with.
    assert((await project.call({ before: ["chroot", root] })).code !== 0);
    const { declined, served } = await project.status();
    assertEquals([declined["another root directory"], served], [1, 0]);
  },

  async "a call is interrupted by its client's signal, and another's program and plugin live on"(
    project,
  ) {
    await using server = await project.start();
    const directory = project.directory();
    Deno.mkdirSync(`${directory}/bin`);
    Deno.writeTextFileSync(
      `${directory}/bin/slow`,
      `#!/bin/sh\ntouch ${directory}/$WHO\nwhile [ ! -e ${directory}/go ]; do sleep 0.02; done\necho ended\n`,
      { mode: 0o755 },
    );
    using _third = project.plugin(
      "third",
      `${directory}/bin/slow >&2\necho '{"cniVersion":"1.1.0"}'\n`,
    );
    const call = (WHO: string, ...step: [string, string]) =>
      project.begin({
        containerId: WHO,
        env: { WHO, PATH: `${directory}/bin:/usr/bin:/bin` },
        steps: { add: [["make", `${directory}/made-${WHO}`], step] },
      });
    const [a, b, c] = [
      call("a", "run", "slow"),
      call("b", "run", "slow"),
      call("c", "delegate", "third"),
    ];
    await Promise.all(["a", "b", "c"].map((who) => appears(`${directory}/${who}`)));
    a.process.kill("SIGTERM");
    const interrupted = await a.reply;
    assertEquals([interrupted.code, interrupted.signal], [1, null]);
    assertStringIncludes(JSON.parse(interrupted.stdout).msg, "interrupted by SIGTERM");
    assert(!exists(`${directory}/made-a`), "what was made is taken back");
    Deno.writeTextFileSync(`${directory}/go`, "");
    for (const { reply } of [b, c]) {
      const other = await reply;
      assertEquals([other.code, other.stderr, servedBy(other.stdout)], [0, "ended\n", server.pid]);
    }
  },

  async "what an interruption leaves under way stays in its caller's directory"(project) {
    await using server = await project.start();
    const [a, b] = [project.directory(), project.directory()];
    const first = project.begin({
      command: "DEL",
      containerId: "a",
      cwd: a,
      steps: { del: [["write", "began"], ["wait", "go"], ["write", "made-by-a"]] },
    });
    await appears(`${a}/began`);
    first.process.kill("SIGTERM");
    const { code, stdout } = await first.reply;
    assertEquals([code, JSON.parse(stdout).msg], [1, "interrupted by SIGTERM; call DEL again"]);
    const others = ["b", "c", "d"].map((containerId) =>
      project.begin({
        containerId,
        cwd: b,
        steps: { add: [["write", `${containerId}-began`], ["wait", "end"]] },
      })
    );
    for (const who of ["b", "c", "d"]) await appears(`${b}/${who}-began`);
    Deno.writeTextFileSync(`${b}/go`, "");
    Deno.writeTextFileSync(`${a}/go`, "");
    await appears(`${a}/made-by-a`);
    assert(!exists(`${b}/made-by-a`));
    Deno.writeTextFileSync(`${b}/end`, "");
    for (const { reply } of others) {
      const { code, stdout } = await reply;
      assertEquals([code, servedBy(stdout)], [0, server.pid]);
    }
    await eventually(
      async () => (await project.status()).inFlight === 0,
      () => "the end of the DEL",
    );
  },

  async "a client that is killed lets go at once, and what follows waits for what is taken back"(
    project,
  ) {
    await using server = await project.start();
    const following = [["DEL", 0], ["ADD", 1], ["CHECK", 2], ["GC", 2]] as const;
    for (const [command, killedAt] of following) {
      const directory = project.directory();
      const path = (name: string) => `${directory}/${name}`;
      const add = [0, 1, 2].flatMap((n) => [
        ["make", path(`made-${n}`)],
        ["write", path(`at-${n}`)],
        ...n === killedAt ? [["wait", path("go")]] : [],
      ]) as [string, string][];
      // Whoever holds its output open would keep this from ending.
      const running = project.begin({
        steps: { add },
        before: ["/bin/sh", "-c", 'exec 3<&0; "$0" <&3 & exec 3<&-; wait'],
      });
      await appears(path(`at-${killedAt}`));
      const client = await clientOf(running.process.pid);
      Deno.kill(client, "SIGKILL");
      const { stdout } = await running.reply;
      assertEquals(stdout, "");
      const follows = project.begin({
        command,
        steps: { [command.toLowerCase()]: [["note", path("followed")]] },
      });
      await eventually(async () => (await project.status()).inFlight === 2, () => command);
      assertEquals((await project.call({ containerId: "other" })).code, 0);
      assert(!exists(path("followed")), `the ${command} waits`);
      Deno.writeTextFileSync(path("go"), "");
      const { code, stdout: answer } = await follows.reply;
      assertEquals(code, 0, answer);
      const left = Array.from(Deno.readDirSync(directory), ({ name }) => name)
        .filter((name) => name.startsWith("made"));
      assertEquals(left, []);
      assertEquals(Number(Deno.readTextFileSync(path("followed"))), server.pid);
    }
  },

  async "a program that a call executes inherits no descriptor, of the call's or of another's"(
    project,
  ) {
    await using server = await project.start();
    // The runtime's own, and what this test was started with.
    const before = linksOf(server.pid);
    const directory = project.directory();
    const script = "#!/bin/sh\nreadlink /proc/self/fd/[3-9]* /proc/self/fd/??*; echo end\n";
    Deno.writeTextFileSync(`${directory}/descriptors`, script, { mode: 0o755 });
    const { promise: later, resolve: end } = Promise.withResolvers<void>();
    const open = project.begin({ containerId: "open", hold: later });
    await eventually(async () => (await project.status()).inFlight === 1, () => "a call");
    const { code, stderr } = await project.call({
      env: { PATH: `${directory}:/usr/bin:/bin` },
      steps: { add: [["run", "descriptors"]] },
    });
    end();
    await open.reply;
    const links = stderr.trim().split("\n").filter((link) => !before.includes(link));
    assertEquals([code, links], [0, ["end"]]);
  },

  async "what waits, for whatever it is, holds nobody up: 100 calls of others end before it"(
    project,
  ) {
    // Where the machine has stood still for as long as the plugin waits, it is done once more.
    let isLate = false;
    for (let again = 0; again === 0 || isLate; again++) {
      await inSandbox(async (sandbox) => {
        await using server = await project.start();
        const { directory } = sandbox;
        const go = `${directory}/go`;
        const untilGo = `while [ ! -e ${go} ]; do sleep 0.02; done`;
        const { promise: later, resolve } = Promise.withResolvers<void>();
        const end = () => {
          Deno.writeTextFileSync(go, "");
          resolve();
        };
        await using holder = new BackgroundProcess("flock", [
          ...[`${directory}/lock`, "sh", "-c", `echo locked; ${untilGo}`],
        ]);
        // What waits, the lock's holder too, would wait for ever where this fails.
        using _end = { [Symbol.dispose]: end };
        await holder.until(() => holder.output.includes("locked"), "the lock");
        const netns = sandbox.container();
        const sysctl = (path: string, value: number) =>
          netns.run(() => Deno.writeTextFileSync(`/proc/sys/net/ipv6/${path}`, String(value)));
        // A minute, of which the plugin waits for five seconds; the test ends it before.
        sysctl("conf/default/dad_transmits", 60);
        const tentative = () =>
          sandbox.ip("address show scope global tentative", netns)
            .filter(({ addr_info }) => addr_info.length > 0);
        const waiting: Record<string, ProbeCall> = {
          "an open input": { hold: later },
          "a handler": { steps: { add: [["wait", go]] } },
          "another process's lock": { steps: { add: [["lock", `${directory}/lock`]] } },
          "a full output": {
            before: ["/bin/sh", "-c", `"$0" | { ${untilGo}; cat; }`],
            steps: { add: [["big", 300_000]] },
          },
          "duplicate address detection": {
            env: { CNI_NETNS: netns.path },
            config: {
              bridge: "br0",
              enabledad: true,
              ipam: { type: "host-local", subnet: "fd00::/64" },
            },
            steps: { add: [["delegate", "bridge"]] },
          },
        };
        const start = performance.now();
        const replies = Object.entries(waiting).map(([what, call], i) =>
          [what, project.begin({ containerId: `waits-${i}`, ...call }).reply] as const
        );
        await eventually(() => tentative().length === 1, () => "an address that is tentative");
        const begun = async () => {
          const { served, inFlight } = await project.status();
          return served + inFlight === 5;
        };
        await eventually(begun, () => "five calls");
        const others = Array.from(
          { length: 100 },
          (_, i) => project.call({ containerId: `c${i}` }),
        );
        for (const { code, stdout } of await Promise.all(others)) {
          assertEquals([code, servedBy(stdout)], [0, server.pid]);
        }
        const { served, inFlight } = await project.status();
        isLate = again < 5 && performance.now() - start > DETECTION_MS;
        if (isLate) {
          end();
          await Promise.all(replies.map(([, reply]) => reply));
          return;
        }
        assertEquals([served, inFlight, tentative().length], [100, 5, 1]);
        sysctl("neigh/eth0/retrans_time_ms", 10);
        end();
        for (const [what, reply] of replies) {
          const { code, stdout } = await reply;
          assertEquals([code, servedBy(stdout)], [0, server.pid], `${what}: ${stdout}`);
        }
      });
    }
  },

  async "calls that share a pipe hold nobody up, each other or anybody else"(project) {
    await using server = await project.start();
    const directory = project.directory();
    const fifo = `${directory}/fifo`;
    assertEquals((await new Deno.Command("mkfifo", { args: [fifo] }).output()).code, 0);
    const begin = (redirection: string, add: [string, string][]) =>
      ["a", "b"].map((containerId) =>
        project.begin({
          containerId,
          before: ["/bin/sh", "-c", `exec "$0" ${redirection}${fifo}`],
          steps: { add },
        })
      );
    const twoWait = async () => {
      await eventually(async () => (await project.status()).inFlight === 2, () => "two calls");
      await sleep(200); // Both have come to where they wait.
    };
    const expectServed = async () => {
      const { code, stdout } = await project.call({ containerId: "other" });
      assertEquals([code, servedBy(stdout)], [0, server.pid]);
    };
    // Bytes for one of two readers.
    using both = await Deno.open(fifo, { read: true, write: true });
    const readers = begin("<", []);
    await twoWait();
    both.writeSync(new TextEncoder().encode('{"cniVersion":"1.1.0"'));
    await expectServed();
    both.close();
    for (const { reply } of readers) assertEquals((await reply).code, 1);

    // Room for one of two writers.
    const opener = await Deno.open(fifo, { read: true, write: true });
    using reader = await Deno.open(fifo, { read: true });
    const filler = await Deno.open(fifo, { write: true });
    opener.close();
    filler.writeSync(new Uint8Array(PIPE_SIZE));
    const writers = begin("2>", [["warn", "x".repeat(PIPE_BUF - 1)]]);
    await twoWait();
    filler.close();
    reader.readSync(new Uint8Array(PIPE_BUF));
    await expectServed();
    let rest = 0;
    for await (const { length } of reader.readable) rest += length;
    assertEquals(rest, PIPE_SIZE + PIPE_BUF);
    for (const { reply } of writers) assertEquals((await reply).code, 0);
  },

  async "a plugin of somebody else's that hangs holds nobody up, and ends with its call"(project) {
    await using server = await project.start();
    const directory = project.directory();
    using _third = project.plugin("third", `echo $$ >${directory}/at\nexec sleep 1000\n`);
    const hangs = project.begin({ containerId: "hangs", steps: { add: [["delegate", "third"]] } });
    await eventually(
      () => exists(`${directory}/at`) && Deno.readTextFileSync(`${directory}/at`) !== "",
      () => "the plugin",
    );
    for (let i = 0; i < 50; i++) {
      const { code, stdout } = await project.call({ containerId: `c${i}` });
      assertEquals([code, servedBy(stdout)], [0, server.pid]);
    }
    hangs.process.kill("SIGTERM");
    const { code, stdout } = await hangs.reply;
    assertEquals(code, 1);
    assertStringIncludes(JSON.parse(stdout).msg, "interrupted by SIGTERM");
    const pid = Deno.readTextFileSync(`${directory}/at`).trim();
    await eventually(() => !exists(`/proc/${pid}`), () => "the plugin's end");
  },

  async "a server that is killed or stopped has run a handler at most once"(project) {
    const directory = project.directory();
    project.writeClient(ACCEPT_TIMEOUT_S);
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      await using server = await project.start();
      const note = `${directory}/${signal}`;
      // Before it has taken the call: the executable does it.
      Deno.kill(server.pid, "SIGSTOP");
      const early = project.begin({ steps: { add: [["note", `${note}-early`]] } });
      if (signal === "SIGKILL") await new Promise((resolve) => setTimeout(resolve, 100));
      if (signal === "SIGKILL") Deno.kill(server.pid, "SIGKILL");
      const { code, stdout } = await early.reply;
      assertEquals(code, 0);
      assert(servedBy(stdout) !== server.pid);
      if (signal === "SIGSTOP") {
        Deno.kill(server.pid, "SIGCONT");
        await server.stop();
      }
      assertEquals(Deno.readTextFileSync(`${note}-early`).trim().split("\n").length, 1);
    }
    project.writeClient();
    // Once it is the server's: nobody does it again.
    await using server = await project.start();
    const note = `${directory}/late`;
    const late = project.begin({ steps: { add: [["note", note], ["wait", "/never"]] } });
    // The file is made a moment before it has its line.
    await eventually(() => exists(note) && Deno.readTextFileSync(note) !== "", () => note);
    await server.stop("SIGKILL");
    const { code, stdout } = await late.reply;
    assertEquals([code, JSON.parse(stdout).code], [1, 11]);
    assertEquals(Deno.readTextFileSync(note), `${server.pid}\n`);
  },

  async "a plugin of somebody else's may execute a client, while a call waits for it"(project) {
    await using server = await project.start();
    const directory = project.directory();
    using _third = project.plugin(
      "third",
      `CNI_CONTAINERID=inner exec "${project.bin}/probe"\n`,
    );
    const { code } = await project.call({
      steps: { add: [["delegate", "third"]], inner: [["note", `${directory}/note`]] },
    });
    assertEquals([code, Deno.readTextFileSync(`${directory}/note`)], [0, `${server.pid}\n`]);
    assertEquals((await project.status()).served, 2);
  },

  async "it may do so for a call that is taken back, too, which waits for it"(project) {
    await using server = await project.start();
    const directory = project.directory();
    const [note, at] = [`${directory}/note`, `${directory}/at`];
    using _third = project.plugin("third", `"${project.bin}/probe"\n`);
    const running = project.begin({
      steps: {
        add: [["undelegate", "third"], ["write", at], ["wait", `${directory}/go`]],
        inner: [["note", note]],
      },
    });
    await appears(at);
    running.process.kill("SIGKILL");
    await running.reply;
    const del = project.begin({ command: "DEL" });
    await eventually(async () => (await project.status()).inFlight === 2, () => "the DEL");
    Deno.writeTextFileSync(`${directory}/go`, "");
    const notes = () => Deno.readTextFileSync(note);
    await eventually(() => notes() === `${server.pid}\n${server.pid}\n`, notes);
    assertEquals((await del.reply).code, 0);
  },

  async "a plugin on CNI_PATH that is a client is called in the same process, without a server too"(
    project,
  ) {
    const steps = (note: string) =>
      ({ add: [["delegate", "probe"], ["note", note]], inner: [["note", note]] }) as const;
    const directory = project.directory();
    const { code, stdout } = await project.call({ steps: steps(`${directory}/without`) });
    const pid = servedBy(stdout);
    assertEquals([code, Deno.readTextFileSync(`${directory}/without`)], [0, `${pid}\n${pid}\n`]);
    await using server = await project.start();
    assertEquals((await project.call({ steps: steps(`${directory}/with`) })).code, 0);
    assertEquals(Deno.readTextFileSync(`${directory}/with`), `${server.pid}\n${server.pid}\n`);
    assertEquals((await project.status()).served, 1);
  },

  async "a handler's own failure is that call's, with its stack in the log"(project) {
    await using server = await project.start();
    const { code, stdout } = await project.call({ steps: { add: [["throw", "of the code"]] } });
    assertEquals([code, JSON.parse(stdout).code], [1, 999]);
    assertStringIncludes(JSON.parse(stdout).msg, "of the code");
    await server.until(() => /TypeError: of the code\n\s+at /.test(server.output), "no stack");
    const inner = await project.call({
      steps: { add: [["delegate", "probe"]], inner: [["throw", "of a delegate's"]] },
    });
    assertStringIncludes(JSON.parse(inner.stdout).msg, "of a delegate's");
    await server.until(() => /TypeError: of a delegate's\n\s+at /.test(server.output), "no stack");
    assertEquals(server.output.split("TypeError").length, 3, "each is logged once");
    assertEquals((await project.call()).code, 0);
  },

  async "what nobody awaits ends the calls in flight, and the server starts again"(project) {
    await using server = await project.start();
    const directory = project.directory();
    const other = project.begin({
      containerId: "other",
      steps: { add: [["make", `${directory}/made`], ["wait", `${directory}/never`]] },
    });
    await appears(`${directory}/made`);
    const { code, stdout } = await project.call({ steps: { add: [["reject", "unawaited"]] } });
    assertEquals(code, 1);
    assertStringIncludes(JSON.parse(stdout).msg, "code has failed");
    Deno.writeTextFileSync(`${directory}/never`, ""); // What waits there has to come to its end.
    assertEquals((await other.reply).code, 1);
    await server.until(
      () => server.output.split("ready at").length === 3,
      "it did not start again",
    );
    assertMatch(server.output, /nobody awaited this: Error: unawaited\n\s+at /);
    assertEquals(servedBy((await project.call()).stdout), server.pid);
  },

  async "an executable that is replaced takes over, with no call lost"(project) {
    await using server = await project.start();
    const { executable } = project;
    const ways: Record<string, () => void> = {
      "renamed over it": () => {},
      "moved away before": () => Deno.renameSync(executable, `${executable}.old`),
      "removed before": () => Deno.removeSync(executable),
    };
    for (const [count, [way, make]] of Object.entries(ways).entries()) {
      const before = (await project.status()).since;
      Deno.copyFileSync(executable, `${executable}.new`);
      make();
      Deno.renameSync(`${executable}.new`, executable);
      const calls = Array.from({ length: 20 }, (_, i) => project.call({ containerId: `c${i}` }));
      for (const { code } of await Promise.all(calls)) assertEquals(code, 0);
      const isReady = () => server.output.split("ready at").length === count + 3;
      await server.until(isReady, `it did not start again: ${way}`);
      assertEquals(servedBy((await project.call()).stdout), server.pid);
      assert((await project.status()).since !== before);
    }
    Deno.removeSync(`${executable}.old`);
    assertEquals(await server.stop(), 0);
  },

  async "an executable that is replaced by one that does not start yet takes over once that does"(
    project,
  ) {
    await using server = await project.start();
    const { executable } = project;
    const { since } = await project.status();
    const old = `${executable}.old`;
    Deno.renameSync(executable, old);
    const waysNot: Record<string, () => void> = {
      "cannot be executed": () => {},
      "is another program": () => Deno.symlinkSync("/bin/echo", executable),
      "ends with status 1": () => Deno.symlinkSync("/bin/false", executable),
    };
    for (const [failure, make] of Object.entries(waysNot)) {
      make();
      await server.until(async () => {
        await project.call();
        return server.output.includes(`goes on, since ${executable} ${failure}`);
      }, failure);
      if (failure !== "cannot be executed") Deno.removeSync(executable);
    }
    Deno.copyFileSync(old, executable);
    await server.until(async () => {
      assertEquals((await project.call()).code, 0);
      return server.output.split("ready at").length === 3;
    }, "it did not start again");
    Deno.removeSync(old);
    assertEquals(servedBy((await project.call()).stdout), server.pid);
    assert((await project.status()).since !== since);
    assertEquals(await server.stop(), 0);
  },

  async "while it ends, what follows a call that is taken back waits for that"(project) {
    await using server = await project.start();
    const directory = project.directory();
    const [at, undoing, go, note] = ["at", "undoing", "go", "note"].map((name) =>
      `${directory}/${name}`
    ) as [string, string, string, string];
    using _third = project.plugin(
      "third",
      `[ "$CNI_COMMAND" = DEL ] || exec echo '{"cniVersion":"1.1.0"}'
touch ${undoing}
while [ ! -e ${go} ]; do sleep 0.02; done
`,
    );
    const add = project.begin({
      steps: { add: [["undelegate", "third"], ["write", at], ["wait", go]] },
    });
    await appears(at);
    add.process.kill("SIGKILL");
    await add.reply;
    await appears(undoing);
    Deno.kill(server.pid, "SIGTERM");
    await server.until(() => server.output.includes("ends: SIGTERM"), "the end");
    const del = project.begin({ command: "DEL", steps: { del: [["note", note]] } });
    const other = await project.call({ containerId: "other" });
    assertEquals(other.code, 0);
    assert(servedBy(other.stdout) !== server.pid, "others are declined");
    await sleep(300);
    assert(!exists(note), "the DEL waits");
    Deno.writeTextFileSync(go, "");
    assertEquals((await del.reply).code, 0);
    assertEquals(Deno.readTextFileSync(note), `${server.pid}\n`);
    assertEquals(await server.end(), 0);
  },

  async "a log that nobody can write fails no call, and keeps no server from ending"(project) {
    const directory = project.directory();
    await using server = new BackgroundProcess("/bin/sh", [
      "-c",
      'exec "$0" serve --socket "$1" 2>/dev/full',
      ...[project.executable, project.socket],
    ]);
    await appears(project.socket);
    const made = `${directory}/made`;
    const other = project.begin({
      containerId: "other",
      steps: { add: [["make", made], ["wait", `${directory}/go`]] },
    });
    await appears(made);
    const failed = await project.call({ steps: { add: [["throw", "of the code"]] } });
    assertEquals([failed.code, JSON.parse(failed.stdout).code], [1, 999]);
    const { code, stdout } = await project.call();
    assertEquals([code, servedBy(stdout)], [0, server.pid]);
    Deno.writeTextFileSync(`${directory}/go`, "");
    assertEquals((await other.reply).code, 0);
    assertEquals(await server.stop(), 0);
  },

  async "VERSION waits for no other call"(project) {
    await using server = await project.start();
    const directory = project.directory();
    const at = `${directory}/at`;
    const gc = project.begin({
      command: "GC",
      containerId: "",
      steps: { gc: [["write", at], ["wait", `${directory}/go`]] },
    });
    await appears(at);
    gc.process.kill("SIGKILL");
    await gc.reply;
    const { code } = await project.call({ command: "VERSION", containerId: "" });
    const { served, inFlight } = await project.status();
    assertEquals([code, served, inFlight], [0, 1, 1]);
    Deno.writeTextFileSync(`${directory}/go`, "");
    assertEquals(await server.stop(), 0);
  },

  async "a service manager's first call starts it, and it ends when nobody calls, without the socket"(
    project,
  ) {
    if (missing(["systemd-socket-activate"])) {
      return reportSkip("socket activation", missing(["systemd-socket-activate"])!);
    }
    await using manager = new BackgroundProcess("systemd-socket-activate", [
      ...["--listen", project.socket, project.executable, "serve", "--idle", "1"],
    ]);
    await appears(project.socket);
    const { code, stdout } = await project.call();
    // It becomes the server itself: the number stays.
    assertEquals([code, servedBy(stdout)], [0, manager.pid]);
    assertEquals(await manager.end(), 0, manager.output);
    assertStringIncludes(manager.output, "ends: nobody calls");
    assert(exists(project.socket), "the socket is the service manager's");
    Deno.removeSync(project.socket);
  },

  async "a service manager's server whose executable is replaced takes over, with no call lost"(
    project,
  ) {
    const lacks = missing(["systemd-socket-activate", "setpriv"]);
    if (lacks) return reportSkip("socket activation of an executable that is replaced", lacks);
    const { executable, socket } = project;
    const directory = project.directory();
    // The first makes the socket. Those behind wait for a call each, and become the server; they end
    // with the shell, so that nothing is left where this fails.
    const start = "sh -c 'LISTEN_PID=$$ exec \"$@\"' sh setpriv --pdeathsig KILL " +
      'systemd-socket-activate "$@"';
    await using manager = new BackgroundProcess("systemd-socket-activate", [
      ...["--listen", socket, "/bin/sh", "-c", `${start} && ${start}`, "sh"],
      ...[executable, "serve"],
    ]);
    const isReady = (starts: number) => () =>
      manager.output.split("ready at the service manager's socket").length === starts + 1;
    const inode = (path: string) => Deno.statSync(path).ino;
    const listener = (pid: number) => Deno.readLinkSync(`/proc/${pid}/fd/3`);
    await appears(socket);

    const replies: (ProbeReply & { note: string })[] = [];
    let [count, isEnough] = [0, false];
    using _end = { [Symbol.dispose]: () => isEnough = true };
    const callers = Array.from({ length: 4 }, async () => {
      while (!isEnough) {
        const [containerId, note] = [`c${count}`, `${directory}/${count++}`];
        const reply = await project.call({ containerId, steps: { add: [["note", note]] } });
        replies.push({ ...reply, note });
      }
    });
    await manager.until(isReady(1), "the service manager did not start it");
    const first = await project.status();
    const passed = listener(first.pid);
    let { since } = first;
    for (const starts of [2, 3]) {
      await eventually(async () => (await project.status()).served > 0, () => "calls");
      const [note, go] = [`${directory}/under-way-${starts}`, `${directory}/go-${starts}`];
      const add = [["note", note], ["wait", go]] as const;
      const underWay = project.begin({ containerId: "under-way", steps: { add } });
      await appears(note);
      Deno.copyFileSync(executable, `${executable}.new`);
      Deno.renameSync(`${executable}.new`, executable);
      const isEnding = () =>
        manager.output.split("ends: its executable was replaced").length === starts;
      await manager.until(isEnding, "it does not see that it was replaced");
      Deno.writeTextFileSync(go, "");
      replies.push({ ...await underWay.reply, note });
      await manager.until(isReady(starts), "it did not start again");
      const now = await project.status();
      assertEquals([now.pid, now.since === since], [first.pid, false]);
      assertEquals([inode(`/proc/${now.pid}/exe`), listener(now.pid)], [inode(executable), passed]);
      ({ since } = now);
    }
    await eventually(async () => (await project.status()).served > 0, () => "calls");
    isEnough = true;
    await Promise.all(callers);
    for (const { code, stdout, stderr, note } of replies) {
      assertEquals(code, 0, stdout + stderr);
      assertEquals(Deno.readTextFileSync(note), `${servedBy(stdout)}\n`, "done once");
    }

    // It is still the service manager's, which starts it again.
    Deno.kill(first.pid, "SIGTERM");
    await eventually(() => !exists(`/proc/${first.pid}`), () => "its end");
    const { code, stdout } = await project.call();
    const { pid } = await project.status();
    assertEquals([code, servedBy(stdout), pid === first.pid], [0, pid, false]);
    assertEquals([inode(`/proc/${pid}/exe`), listener(pid)], [inode(executable), passed]);
    assert(isReady(4)(), manager.output);
    Deno.kill(pid, "SIGTERM");
    assertEquals(await manager.end(), 0, manager.output);
    Deno.removeSync(socket);
  },

  async "calls leave no descriptor open, and no thread"(project) {
    await using server = await project.start();
    const many = async (rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => project.call({ containerId: `c${n}` })),
        );
      }
    };
    await many(10);
    const before = await usedAtRest(server.pid);
    await many(20);
    const after = await usedAtRest(server.pid);
    assert(after.descriptors <= before.descriptors, JSON.stringify([before, after]));
    assert(after.threads <= before.threads + LATE_THREADS, JSON.stringify([before, after]));
  },
};

/** What a process's descriptors are: `/dev/null`, `pipe:[5]`. */
function linksOf(pid: number): string[] {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).flatMap(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return []; // It has been closed.
    }
  });
}

/** The client that a shell has started. */
async function clientOf(shell: number): Promise<number> {
  let client = 0;
  await eventually(() => {
    client = Number(Deno.readTextFileSync(`/proc/${shell}/task/${shell}/children`).trim());
    return client > 0;
  }, () => "the shell's child");
  return client;
}
