/** The process itself: environment, streams, signals, C functions. */
import { type Case, codeOf, run } from "./case.ts";

export const PROCESS: readonly Case[] = [
  {
    name: "argv0, args, pid, executable and userId are this process's",
    expected: ["/called as", ["a b", "", "--c"], true, true, true],
    async run({ runtime, start, again }) {
      const script = 'exec -a "/called as" "$0" "$@"';
      const called = await run(runtime, "bash", ["-c", script, ...start, "argv0"]);
      const { stdout } = await again(["args", "a b", "", "--c"]);
      const { getpid, geteuid } = runtime.bind("libc.so.6", { getpid: ["i32"], geteuid: ["u32"] });
      return [
        called.stdout,
        JSON.parse(stdout),
        runtime.pid === getpid(),
        runtime.executable === runtime.files.readLink("/proc/self/exe"),
        runtime.userId() === geteuid(),
      ];
    },
  },
  {
    name: "env() and environment() tell the environment",
    expected: { empty: "", text: "grün = x", absent: "undefined", proto: "undefined", all: true },
    async run({ runtime, again }) {
      const PATH = runtime.env("PATH") ?? "";
      const env = { PATH, HOME: "/", EMPTY: "", TEXT: "grün = x" };
      const { stdout } = await again(["env", "EMPTY", "TEXT", "ABSENT", "__proto__"], { env });
      const [[empty, text, absent, proto], all] = JSON.parse(stdout);
      const named = Object.entries(env).every(([name, value]) => all[name] === value);
      return { empty, text, absent, proto, all: named && !("ABSENT" in all) };
    },
  },
  {
    name: "exit() ends the process with a status, and what was written before is out",
    expected: [7, "written"],
    async run({ again }) {
      const { code, stdout } = await again(["exit", "7"]);
      return [code, stdout];
    },
  },
  {
    name: "readStdin() reads to the end, or until more than the limit has come",
    expected: [5, 0, true, true],
    async run({ again }) {
      const size = async (limit: number, stdin?: string) =>
        Number((await again(["stdin", String(limit)], { stdin })).stdout);
      const cut = await size(1000, "x".repeat(1 << 20));
      return [
        await size(1000, "12345"),
        await size(1000),
        cut > 1000 && cut < 1 << 20,
        await size(1 << 21, "x".repeat(1 << 20)) === 1 << 20,
      ];
    },
  },
  {
    name: "write() writes all of it to the right stream",
    expected: [0, true, "grün"],
    async run({ again }) {
      const { code, stdout, stderr } = await again(["write"]);
      return [code, stdout === "0123456789abcdef".repeat(65536), stderr];
    },
  },
  {
    name: "readStdin() and write() wait for a pipe that does not block",
    expected: ["5", 1 << 20, ""],
    async run({ runtime, start }) {
      const script = '{ sleep 0.2; printf 12345; } | "$0" "$@" | { sleep 0.2; cat; }';
      const { stdout, stderr } = await run(runtime, "/bin/sh", [
        "-c",
        script,
        ...start,
        "not-blocking",
      ]);
      return [stdout.trimEnd(), stdout.length, stderr];
    },
  },
  {
    name: "write() to a pipe that nobody reads is an error, not the end",
    expected: "EPIPE",
    run: async ({ again }) => (await again(["broken-pipe"])).stderr,
  },
  {
    name: "onSignal() has its handler called instead of ending the process",
    expected: [
      [3, "SIGTERM"],
      [3, "SIGINT"],
      [3, "SIGHUP"],
    ],
    run: ({ again }) =>
      Promise.all([15, 2, 1].map(async (number) => {
        const { code, stdout } = await again(["signal", String(number)]);
        return [code, stdout];
      })),
  },
  {
    name: "onCrash() has its handler called with what nobody caught",
    expected: [
      [3, "exception", ""],
      [3, "rejection", ""],
    ],
    run: ({ again }) =>
      Promise.all(["exception", "rejection"].map(async (how) => {
        const { code, stdout, stderr } = await again(["crash", how]);
        return [code, stdout, stderr];
      })),
  },
  {
    name: "isTerminal() tells a terminal from a pipe",
    expected: [true, false],
    async run({ runtime, start }) {
      const libc = runtime.bind("libc.so.6", {
        posix_openpt: ["i32", "i32"],
        unlockpt: ["i32", "i32"],
        ptsname_r: ["i32", "i32", "buffer", "usize"],
        close: ["i32", "i32"],
      });
      const O_RDWR_NOCTTY = 0o402;
      const terminal = libc.posix_openpt(O_RDWR_NOCTTY);
      libc.unlockpt(terminal);
      const name = new Uint8Array(64);
      libc.ptsname_r(terminal, name, name.length);
      const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
      const script = ["-c", 'exec "$@" <"$0"', path, ...start, "terminal"];
      const { stdout } = await run(runtime, "/bin/sh", script);
      libc.close(terminal);
      return JSON.parse(stdout);
    },
  },
  {
    name: "bind() calls C functions with integers of every size, buffers and null",
    expected: [-5, 4294967295, 63, "18446744073709551615", "-2", 3, "abc"],
    run({ runtime }) {
      const libc = runtime.bind("libc.so.6", {
        atoi: ["i32", "buffer"],
        htonl: ["u32", "u32"],
        ffsll: ["i32", "i64"],
        strtoull: ["u64", "buffer", "buffer", "i32"],
        strtoll: ["i64", "buffer", "buffer", "i32"],
        strlen: ["usize", "buffer"],
        memcpy: ["pointer", "buffer", "buffer", "usize"],
      });
      const text = (value: string) => new TextEncoder().encode(`${value}\0`);
      const copy = new Uint8Array(3);
      libc.memcpy(copy, text("abc"), 3);
      return [
        libc.atoi(text("-5")),
        libc.htonl(4294967295),
        libc.ffsll(1n << 62n),
        String(libc.strtoull(text("18446744073709551615"), null, 10)),
        String(libc.strtoll(text("-2"), null, 10)),
        Number(libc.strlen(text("abc"))),
        new TextDecoder().decode(copy),
      ];
    },
  },
  {
    name: "errno() is that of the call before it",
    expected: [[-1, 2], [-1, 9]],
    run({ runtime }) {
      const libc = runtime.bind("libc.so.6", {
        open: ["i32", "buffer", "i32", "i32"],
        close: ["i32", "i32"],
      });
      const missing = new TextEncoder().encode("/no/such/file\0");
      return [[libc.open(missing, 0, 0), runtime.errno()], [libc.close(-1), runtime.errno()]];
    },
  },
  {
    name: "bind() says what is missing",
    expected: [true, true],
    run({ runtime }) {
      const message = (work: () => unknown) => String(codeOf(work));
      return [
        message(() => runtime.bind("libno-such.so.1", { f: ["i32"] })).includes("libno-such.so.1"),
        message(() => runtime.bind("libc.so.6", { no_such_function: ["i32"] }))
          .includes("no_such_function"),
      ];
    },
  },
  {
    name: "sha512Hex() gives the digests that NIST publishes, of bytes and of text",
    expected: [
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
      true,
    ],
    run: ({ runtime }) => [
      runtime.sha512Hex("abc"),
      runtime.sha512Hex(new Uint8Array()),
      runtime.sha512Hex("é漢") === runtime.sha512Hex(Uint8Array.of(0xc3, 0xa9, 0xe6, 0xbc, 0xa2)),
    ],
  },
];
