/**
 * The resident server's client, between its caller, a server that follows a script, and an
 * executable that tells what it was executed with. The client of another machine than this one goes
 * through the same cases under emulation.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { sleep } from "../../lib/runtime/sleep.ts";
import {
  ACCEPT_TIMEOUT_S,
  ACCEPTED,
  ANSWERING,
  DECLINED,
  FAILED,
  GO,
  START_TIMEOUT_S,
  SUCCEEDED,
} from "../../lib/server/protocol.ts";
import { MACHINES, makeClient } from "../../scripts/client/client.ts";
import { clientData } from "../../scripts/client/program.ts";
import { missing, type Reason, reportSkip } from "../support/requirements.ts";
import { Conversation } from "../support/scripted_server.ts";
import { beginOf, emulatorOf, executing, type Machine, missingExecution } from "./emulator.ts";

/** Tells its name, arguments, one variable and standard input, and fails in its own way. */
const EXECUTABLE = `#!/bin/sh
echo "executed $# $* WHO=$WHO"
cat
grep SigBlk /proc/self/status
echo error >&2
exit 7
`;
const EXECUTED = (args = "0 ", who = "me") =>
  `executed ${args} WHO=${who}\ninput\nSigBlk:\t0000000000000000\n`;

/** How a client was run, and what came of it. */
interface Ended {
  code: number;
  signal: string | null;
  stdout: string;
  stderr: string;
}

interface Running {
  process: Deno.ChildProcess;
  ended: Promise<Ended>;
}

/** A system call that is to fail. */
interface Failing {
  /** The words that the client follows. */
  before: string[];
  /** Asserts, when the client has ended, that this call has failed, and was the client's. */
  expectFailed(): void;
}

/**
 * How long the clients of these tests wait for a server that runs: so long that a machine which has
 * other things to do makes none of them give up. Seconds.
 */
const PATIENCE_S = 60;

/** A client with an executable beside it, and a socket. */
class Fixture implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "client-" });
  readonly socket = `${this.directory}/socket`;
  readonly client = `${this.directory}/bridge`;
  readonly #elfMachine: number;
  readonly #emulator: readonly string[];

  constructor(machine: Machine) {
    this.#elfMachine = machine.elfMachine;
    this.#emulator = emulatorOf(machine);
    this.write({});
    Deno.writeTextFileSync(`${this.directory}/cni`, EXECUTABLE, { mode: 0o755 });
  }

  /** Writes the client anew. */
  write(options: { executable?: string; acceptTimeout?: number; startTimeout?: number }): void {
    const { file } = makeClient({
      elfMachine: this.#elfMachine,
      socket: this.socket,
      acceptTimeout: PATIENCE_S,
      ...options,
    });
    Deno.writeFileSync(this.client, file, { mode: 0o755 });
  }

  /**
   * Runs the client.
   * @param options.client another path of it
   * @param options.before what runs it in turn, such as strace
   */
  start(
    { client = this.client, args = [], before = [], env = {} }: {
      client?: string;
      args?: string[];
      before?: string[];
      env?: Record<string, string>;
    } = {},
  ): Running {
    const [program, ...rest] = [...before, ...this.#emulator, client, ...args];
    const process = new Deno.Command(program!, {
      args: rest,
      env: { PATH: Deno.env.get("PATH")!, WHO: "me", ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = process.stdin.getWriter();
    writer.write(new TextEncoder().encode("input\n")).then(() => writer.close()).catch(() => {});
    const ended = process.output().then(({ code, signal, stdout, stderr }) => {
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, signal, stdout: text(stdout), stderr: text(stderr) };
    });
    return { process, ended };
  }

  /**
   * Words that run the client with one of its system calls failing.
   * @param call its name, or names with commas between them where an emulator makes another of it
   * @param nth which of its calls of this name, from 1 on
   */
  async failing(call: string, error: string, nth = 1): Promise<Failing> {
    const log = `${this.directory}/injected`;
    const when = await this.#callsOfEmulator(call) + nth;
    const inject = `inject=${call}:error=${error}:when=${when}`;
    return {
      before: ["strace", "-qq", "-o", log, "-e", inject],
      expectFailed: () => {
        const lines = Deno.readTextFileSync(log).split("\n");
        const failed = lines.findIndex((line) => line.includes("(INJECTED)"));
        const isOwn = this.#emulator.length === 0 || failed >= beginOf(lines);
        assert(failed >= 0 && isOwn, `no call of the client has failed: ${lines[failed]}`);
      },
    };
  }

  /** How many calls of a name an emulator has made by itself when the client begins. */
  async #callsOfEmulator(call: string): Promise<number> {
    if (this.#emulator.length === 0) return 0;
    const log = `${this.directory}/trace`;
    await this.start({ before: ["strace", "-qq", "-o", log] }).ended;
    const lines = Deno.readTextFileSync(log).split("\n");
    const names = call.split(",");
    return lines.slice(0, beginOf(lines)).filter((line) => names.includes(line.split("(")[0]!))
      .length;
  }

  /** Serves one connection by a script while `work` runs, and gives what both yield. */
  async serve<S, W>(
    script: (conversation: Conversation) => Promise<S>,
    work: () => Promise<W>,
  ): Promise<[S, W]> {
    using listener = Deno.listen({ transport: "unix", path: this.socket });
    const served = listener.accept().then(async (connection) => {
      const conversation = new Conversation(connection);
      try {
        return await script(conversation);
      } finally {
        conversation.close();
      }
    });
    return await Promise.all([served, work()]);
  }

  /** Listens while `work` runs, and asserts that nobody has connected. */
  async expectNoCall<W>(work: () => Promise<W>): Promise<W> {
    using listener = Deno.listen({ transport: "unix", path: this.socket });
    const result = await work();
    // Who connects now comes after whoever has connected before, even if that is gone.
    using last = await Deno.connect({ transport: "unix", path: this.socket });
    await last.write(Uint8Array.of(FAILED));
    using first = await listener.accept();
    const bytes = new Uint8Array(8);
    assertEquals([await first.read(bytes), bytes[0]], [1, FAILED], "the client has connected");
    return result;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Waits for something, and tells how long that took. Seconds. */
async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const begin = performance.now();
  const result = await work;
  return [result, (performance.now() - begin) / 1000];
}

/** An environment of a megabyte: a socket has no room for it until the server reads. */
const LONG = Object.fromEntries(
  // One variable has 128 kB at most.
  Array.from({ length: 10 }, (_, i) => [`BIG${i}`, "x".repeat(100_000)]),
);

/** Takes a request, and the call. */
async function take(conversation: Conversation): Promise<void> {
  await conversation.request();
  await conversation.say(ACCEPTED);
  assertEquals(await conversation.byte(), GO);
}

Deno.test("a client waits a second for a server that runs, five for one that is started", () => {
  assertEquals([ACCEPT_TIMEOUT_S, START_TIMEOUT_S], [1, 5]);
  for (const { elfMachine } of MACHINES) {
    const { file } = makeClient({ elfMachine });
    assertEquals(file, makeClient({ elfMachine, acceptTimeout: 1, startTimeout: 5 }).file);
  }
});

Deno.test("a client has room for the longest path that it can be executed by", () => {
  const path = clientData("/socket", 1).find(({ name }) => name === "path")!;
  // execveat(2) with a directory's descriptor, and a name of 4,095 bytes in that directory.
  const longest = "/dev/fd/2147483647/".length + 4095 + "cni\0".length;
  assert("zeros" in path && path.zeros >= longest);
});

for (const machine of MACHINES) {
  const emulator = emulatorOf(machine);
  const test = (
    name: string,
    run: (fixture: Fixture) => Promise<void>,
    needs: readonly string[] = [],
    otherwise?: Reason,
  ) => {
    const full = `client (${machine.name}): ${name}`;
    const lacking = missing([...emulator, ...needs]) ?? otherwise;
    if (lacking) reportSkip(full, lacking);
    Deno.test({
      name: full,
      ignore: lacking !== undefined,
      async fn() {
        using fixture = new Fixture(machine);
        await run(fixture);
      },
    });
  };

  /** What must come of a call that no server has taken. */
  const expectExecuted = (ended: Ended) =>
    assertEquals(ended, { code: 7, signal: null, stdout: EXECUTED(), stderr: "error\n" });

  test("without a socket it executes the executable, with all that it has", async (fixture) => {
    expectExecuted(await fixture.start().ended);
    const { stdout } = await fixture.start({ args: ["a", "b c"] }).ended;
    assertEquals(stdout, EXECUTED("2 a b c"));
  });

  test(
    "it finds the executable beside it however it was called",
    async (fixture) => {
      const shell = async (script: string) => {
        const [program, ...args] = [...executing(machine), "/bin/sh", "-c", script];
        const { code, stdout } = await new Deno.Command(program!, {
          args,
          env: { WHO: "me" },
          cwd: fixture.directory,
        }).output();
        return [code, new TextDecoder().decode(stdout)];
      };
      const expected = [7, EXECUTED()];
      assertEquals(await shell("echo input | ./bridge"), expected);
      assertEquals(await shell("echo input | PATH=:$PATH bridge"), expected);
      assertEquals(await shell("mkdir x; cd x; echo input | ../x/.././bridge"), expected);
    },
    [],
    missingExecution(machine),
  );

  test(
    "by a link it finds the executable beside the file that this leads to",
    async (fixture) => {
      const link = `${fixture.directory}/elsewhere/bridge`;
      Deno.mkdirSync(`${fixture.directory}/elsewhere`);
      Deno.symlinkSync("../bridge", link);
      expectExecuted(await fixture.start({ client: link }).ended);
      // Its own directory's comes first.
      Deno.writeTextFileSync(`${fixture.directory}/elsewhere/cni`, "#!/bin/sh\nexit 3\n", {
        mode: 0o755,
      });
      assertEquals((await fixture.start({ client: link }).ended).code, 3);
    },
  );

  test("the path that was written in comes first", async (fixture) => {
    const executable = writeElsewhere(fixture);
    Deno.removeSync(`${fixture.directory}/cni`);
    expectExecuted(await fixture.start().ended);
    // Where nothing is there any more: the one beside the client.
    Deno.renameSync(executable, `${fixture.directory}/cni`);
    expectExecuted(await fixture.start().ended);
  });

  /** Writes the client anew, with the path of an executable that is elsewhere. */
  const writeElsewhere = (fixture: Fixture): string => {
    const executable = `${fixture.directory}/elsewhere`;
    Deno.copyFileSync(`${fixture.directory}/cni`, executable);
    fixture.write({ executable });
    return executable;
  };

  /** Which executable the client names to the server. */
  const named = async (fixture: Fixture, before?: string[]) => {
    const [executable, ended] = await fixture.serve(async (conversation) => {
      const { executable } = await conversation.request();
      await conversation.say(DECLINED);
      return executable;
    }, () => fixture.start({ before }).ended);
    expectExecuted(ended);
    return executable;
  };

  test("it names to the server the executable that it would execute", async (fixture) => {
    const [elsewhere, beside] = [writeElsewhere(fixture), `${fixture.directory}/cni`];
    assertEquals(await named(fixture), elsewhere);
    Deno.chmodSync(elsewhere, 0o644);
    assertEquals(await named(fixture), beside);
    Deno.removeSync(elsewhere);
    assertEquals(await named(fixture), beside);
  });

  test(
    "where it cannot find out about the path that was written in, it goes by its own",
    async (fixture) => {
      writeElsewhere(fixture);
      const { before, expectFailed } = await fixture.failing("faccessat,faccessat2", "EIO");
      assertEquals(await named(fixture, before), `${fixture.directory}/cni`);
      expectFailed();
    },
    ["strace"],
  );

  test("without an executable it answers with an error object", async (fixture) => {
    Deno.removeSync(`${fixture.directory}/cni`);
    const { code, stdout, stderr } = await fixture.start().ended;
    assertEquals([code, stderr, JSON.parse(stdout).code], [1, "", 5]);
  });

  test("it executes the executable where nobody listens, answers, or wants the call", async (fixture) => {
    Deno.writeTextFileSync(fixture.socket, "");
    expectExecuted(await fixture.start().ended);
    Deno.removeSync(fixture.socket);
    const scripts: ((conversation: Conversation) => Promise<unknown>)[] = [
      () => Promise.resolve(),
      async (conversation) => {
        await conversation.request();
      },
      async (conversation) => {
        await conversation.request();
        await conversation.say(DECLINED);
      },
      async (conversation) => {
        await conversation.request();
        await conversation.say(ANSWERING, SUCCEEDED);
      },
    ];
    for (const script of scripts) {
      const [, ended] = await fixture.serve(script, () => fixture.start().ended);
      expectExecuted(ended);
    }
  });

  test("it gives up on a server that is stopped, or hangs, and closes the connection", async (fixture) => {
    fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S });
    const [, [ended, seconds]] = await fixture.serve(async (conversation) => {
      try {
        await conversation.request();
      } catch {
        return; // The machine has been slower than the client is patient.
      }
      assertEquals(await conversation.byte(), undefined);
    }, () => timed(fixture.start().ended));
    expectExecuted(ended);
    assert(0.9 < seconds && seconds < 3, `after ${seconds} s`);
  });

  test("it gives up on a server that reads too slowly", async (fixture) => {
    fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S });
    using listener = Deno.listen({ transport: "unix", path: fixture.socket });
    const served = listener.accept().then(async (connection) => {
      using _connection = connection;
      const buffer = new Uint8Array(40_000);
      // At first it makes room for another part of the environment.
      for (let read = 0; read < 240_000;) read += await connection.read(buffer) ?? Infinity;
      while (await connection.read(buffer) !== null) await sleep(400);
    });
    const [ended, seconds] = await timed(fixture.start({ env: LONG }).ended);
    expectExecuted(ended);
    assert(0.9 < seconds && seconds < 3, `after ${seconds} s`);
    await served;
  });

  test("it waits for the request's being read and for the answer together", async (fixture) => {
    fixture.write({ acceptTimeout: 3 });
    const [, [ended, seconds]] = await fixture.serve(async (conversation) => {
      await sleep(2000);
      await conversation.request();
      assertEquals(await conversation.byte(), undefined);
    }, () => timed(fixture.start({ env: LONG }).ended));
    expectExecuted(ended);
    assert(2.9 < seconds && seconds < 4.5, `after ${seconds} s`);
  });

  test("it sends the executable's path, its arguments and its whole environment", async (fixture) => {
    for (const env of [{}, LONG, { EMPTY: "", ODD: "a=b\nc" }]) {
      const [request, ended] = await fixture.serve(async (conversation) => {
        const request = await conversation.request();
        await conversation.say(ACCEPTED);
        assertEquals(await conversation.byte(), GO);
        await conversation.say(ANSWERING, SUCCEEDED);
        return request;
      }, () => fixture.start({ env }).ended);
      assertEquals(ended, { code: 0, signal: null, stdout: "", stderr: "" });
      assertEquals(request.executable, `${fixture.directory}/cni`);
      const [name, ...environment] = request.texts;
      assertEquals(name, fixture.client);
      const expected = Object.entries({ PATH: Deno.env.get("PATH")!, WHO: "me", ...env });
      assertEquals(environment.sort(), expected.map(([name, value]) => `${name}=${value}`).sort());
    }
  });

  test("it ends with the status that it is told, and executes nothing", async (fixture) => {
    for (const [said, code] of [[SUCCEEDED, 0], [FAILED, 1]] as const) {
      const [, ended] = await fixture.serve(async (conversation) => {
        await take(conversation);
        await conversation.say(ANSWERING);
        await conversation.say(said);
      }, () => fixture.start().ended);
      assertEquals(ended, { code, signal: null, stdout: "", stderr: "" });
    }
  });

  test("it answers for a server that is gone, unless that has begun to answer", async (fixture) => {
    const [, lost] = await fixture.serve(take, () => fixture.start().ended);
    assertEquals([lost.code, lost.stderr, JSON.parse(lost.stdout).code], [1, "", 11]);
    const [, begun] = await fixture.serve(async (conversation) => {
      await take(conversation);
      await conversation.say(ANSWERING);
    }, () => fixture.start().ended);
    assertEquals(begun, { code: 1, signal: null, stdout: "", stderr: "" });
  });

  test("it passes signals on, and waits for the end", async (fixture) => {
    for (const [signal, number] of [["SIGTERM", 15], ["SIGINT", 2], ["SIGHUP", 1]] as const) {
      let running: Running;
      const [, ended] = await fixture.serve(async (conversation) => {
        await take(conversation);
        for (let i = 0; i < 2; i++) {
          running.process.kill(signal);
          assertEquals(await conversation.byte(), number);
        }
        await conversation.say(ANSWERING, FAILED);
      }, () => (running = fixture.start()).ended);
      assertEquals(ended, { code: 1, signal: null, stdout: "", stderr: "" });
    }
  });

  test("a signal before the call is the server's ends it", async (fixture) => {
    let running: Running;
    const [, ended] = await fixture.serve(async (conversation) => {
      await conversation.request();
      running.process.kill("SIGTERM");
      await conversation.say(DECLINED);
    }, () => (running = fixture.start()).ended);
    assertEquals([ended.signal, ended.stdout], ["SIGTERM", ""]);
  });

  test("with arguments it asks no server", async (fixture) => {
    fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S });
    const run = () => fixture.start({ args: ["--version"] }).ended;
    const { code, stdout } = await fixture.expectNoCall(run);
    assertEquals([code, stdout], [7, EXECUTED("1 --version")]);
  });

  test("with a standard stream closed it asks no server", async (fixture) => {
    fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S });
    for (const closed of ["<&-", ">&-", "2>&-"]) {
      const before = ["/bin/sh", "-c", `exec "$@" ${closed}`, "sh"];
      const { code, stdout } = await fixture.expectNoCall(() => fixture.start({ before }).ended);
      const expected = closed === ">&-" ? "" : "executed 0  WHO=me";
      assertEquals([code, stdout.split("\n")[0]], [7, expected]);
    }
  });

  test("with a full standard output it waits for its reader", async (fixture) => {
    // The pipe is full when the client has something to say, and is read only then.
    const script = 'printf "%65536s"; exec "$@"';
    const [, ended] = await fixture.serve(
      take,
      () => fixture.start({ before: ["/bin/sh", "-c", script, "sh"] }).ended,
    );
    assertEquals([ended.code, JSON.parse(ended.stdout).code], [1, 11]);
  });

  /** Every system call that it makes before the call is the server's. */
  const EARLY =
    "rt_sigprocmask socket setsockopt connect getsockopt kill signalfd4 sendmsg ppoll read sendmsg:2";
  // The last one has to be for an environment that the socket has no room for.
  for (const entry of `${EARLY} sendto:1:long`.split(" ")) {
    const [call = "", when = "1", long] = entry.split(":");
    test(
      `it executes the executable where ${entry} fails`,
      async (fixture) => {
        const { before, expectFailed } = await fixture.failing(call, "EIO", Number(when));
        const connects = ["socket", "setsockopt", "connect", "rt_sigprocmask"].every((name) =>
          name !== call
        );
        const run = () => timed(fixture.start({ before, env: long ? LONG : {} }).ended);
        const [, [ended, seconds]] = connects
          ? await fixture.serve(async (conversation) => {
            try {
              await conversation.request();
              await conversation.say(ACCEPTED);
            } catch (error) {
              // It may not even have asked, but has sent nothing wrong.
              assert(!/this is no request/.test(String(error)));
              return;
            }
            // Nothing is known of who listens: it is taken for a server that runs.
            assertEquals(await conversation.byte(), call === "kill" ? GO : undefined);
            if (call === "kill") await conversation.say(SUCCEEDED);
          }, run)
          : [undefined, await fixture.expectNoCall(run)];
        expectFailed();
        assert(seconds < PATIENCE_S / 2, `after ${seconds} s`); // It did not wait for an answer.
        if (call === "kill") return assertEquals(ended.code, 0);
        if (call !== "rt_sigprocmask") return expectExecuted(ended);
        assertEquals([ended.code, JSON.parse(ended.stdout).code], [1, 5]);
      },
      ["strace"],
      // What an emulator makes of this one is others: none of them fails as that would.
      call === "rt_sigprocmask" && emulator.length > 0
        ? { lacks: `a processor of ${machine.name}`, remedy: "deno task test tests/client, there" }
        : undefined,
    );
  }

  test(
    "it has more patience where the process that listened is gone: a service manager starts the server",
    async (fixture) => {
      fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S, startTimeout: PATIENCE_S });
      const { before, expectFailed } = await fixture.failing("kill", "ESRCH");
      for (const env of [{}, LONG]) {
        const [, ended] = await fixture.serve(async (conversation) => {
          await sleep(1000 * ACCEPT_TIMEOUT_S + 500);
          await take(conversation);
          await conversation.say(SUCCEEDED);
        }, () => fixture.start({ before, env }).ended);
        expectFailed();
        assertEquals(ended, { code: 0, signal: null, stdout: "", stderr: "" });
      }
    },
    ["strace"],
  );

  test(
    "it has more patience where the first process listens",
    async (fixture) => {
      fixture.write({ acceptTimeout: ACCEPT_TIMEOUT_S, startTimeout: PATIENCE_S });
      const first = new URL("first_process_main.ts", import.meta.url).pathname;
      const deno = [Deno.execPath(), "run", "-A", "--no-check", first, fixture.socket];
      const { HOME = "", DENO_DIR = `${HOME}/.cache/deno` } = Deno.env.toObject();
      const ended = await fixture.start({
        before: ["unshare", "--pid", "--fork", "--kill-child", ...deno],
        env: { HOME, DENO_DIR },
      }).ended;
      assertEquals(ended, { code: 0, signal: null, stdout: "", stderr: "" });
    },
    ["root", "unshare"],
  );

  for (const call of ["ppoll", "read"]) {
    test(
      `it waits on where ${call} is interrupted once the call is the server's`,
      async (fixture) => {
        const { before, expectFailed } = await fixture.failing(call, "EINTR", 2);
        const [, ended] = await fixture.serve(
          async (conversation) => {
            await take(conversation);
            await conversation.say(SUCCEEDED);
            await conversation.byte();
          },
          () => fixture.start({ before }).ended,
        );
        expectFailed();
        assertEquals(ended, { code: 0, signal: null, stdout: "", stderr: "" });
      },
      ["strace"],
    );
  }

  for (const [call, when] of [["ppoll", 2], ["read", 2]] as const) {
    test(
      `it answers for itself where ${call} fails once the call is the server's`,
      async (fixture) => {
        const { before, expectFailed } = await fixture.failing(call, "EIO", when);
        const [, ended] = await fixture.serve(async (conversation) => {
          await take(conversation);
          // Whoever cannot wait for what comes is gone before it can be said.
          if (call === "read") await conversation.say(SUCCEEDED);
          await conversation.byte();
        }, () => fixture.start({ before }).ended);
        expectFailed();
        assertEquals([ended.code, ended.stderr, JSON.parse(ended.stdout).code], [1, "", 11]);
      },
      ["strace"],
    );
  }

  test(
    "it makes the system calls that it is meant to make, and no other",
    async (fixture) => {
      const [trace, emulated] = [`${fixture.directory}/trace`, `${fixture.directory}/emulated`];
      const traced = async () => {
        await fixture.serve(async (conversation) => {
          await take(conversation);
          await conversation.say(ANSWERING, SUCCEEDED);
        }, () =>
          fixture.start({
            before: ["strace", "-qq", "-o", trace],
            // What the client calls is noted by an emulator, what becomes of that by strace.
            env: emulator.length > 0 ? { QEMU_STRACE: "1", QEMU_LOG_FILENAME: emulated } : {},
          }).ended);
        const lines = emulator.length > 0
          ? ["execve(", ...Deno.readTextFileSync(emulated).split("\n")]
          : Deno.readTextFileSync(trace).split("\n");
        const calls = lines.map((line) => line.replace(/^\d+ /, "").split("(")[0]!);
        return calls.filter((name) => /^\w+$/.test(name)).join(" ")
          .replace(/(ppoll read ?)+/, "ppoll read ");
      };
      const meant = (find: string) =>
        `execve rt_sigprocmask ${find}socket setsockopt connect getsockopt kill signalfd4 sendmsg ` +
        "ppoll read sendmsg ppoll read ppoll read exit_group";
      assertEquals(await traced(), meant(""));
      assertMatch(Deno.readTextFileSync(trace), /cmsg_data=\[0, 1, 2\]/);
      writeElsewhere(fixture);
      assertEquals(await traced(), meant("faccessat "));
    },
    ["strace"],
  );
}
