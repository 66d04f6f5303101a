/** Running other programs. */
import { type Case, codeOf, codeOfAsync, type Ended, run } from "./case.ts";

/**
 * Runs a program that is not to end by itself, and gives it longer where it had not come far enough
 * before its end: on a machine that has other things to do a shell may take its time.
 */
async function longEnough(
  attempt: (ms: number) => Promise<Ended>,
  isFar: (ended: Ended) => boolean = ({ stdout }) => stdout !== "",
): Promise<Ended> {
  for (let ms = 300;; ms *= 2) {
    const ended = await attempt(ms);
    if (isFar(ended) || ms > 60_000) return ended;
  }
}

const ENDED = { code: 0, signal: null, timedOut: false, stdout: "", stderr: "" };

export const PROGRAMS: readonly Case[] = [
  {
    name: "run() gives status and both outputs",
    expected: { ...ENDED, code: 3, stdout: "out\n", stderr: "err\n" },
    run: ({ runtime }) => run(runtime, "/bin/sh", ["-c", "echo out; echo err >&2; exit 3"]),
  },
  {
    name: "run() passes arguments as they are",
    expected: ["", "a b", "$HOME", "'\"`", "-x", "grün", "*"].join("\n") + "\n",
    run: async ({ runtime }) => {
      const args = ["", "a b", "$HOME", "'\"`", "-x", "grün", "*"];
      return (await run(runtime, "/bin/sh", ["-c", 'printf "%s\\n" "$@"', "sh", ...args])).stdout;
    },
  },
  {
    name: "run() names the signal that ended a program",
    expected: { ...ENDED, code: null, signal: "SIGTERM" },
    run: ({ runtime }) => run(runtime, "/bin/sh", ["-c", "kill -TERM $$"]),
  },
  {
    name: "run() kills a program whose time is up, and keeps what it wrote",
    expected: { ...ENDED, code: null, signal: "SIGKILL", timedOut: true, stdout: "begun\n" },
    run: ({ runtime }) =>
      longEnough((timeoutMs) =>
        run(runtime, "/bin/sh", ["-c", "echo begun; exec sleep 600"], { timeoutMs })
      ),
  },
  {
    name: "run() ends at its deadline, or when it is aborted, whoever holds the program's outputs",
    expected: [
      { ...ENDED, code: null, signal: "SIGKILL", timedOut: true, stdout: "begun\n" },
      { ...ENDED, timedOut: true, stdout: "begun\n" },
      { ...ENDED, code: null, signal: "SIGKILL", stdout: "begun\n" },
      true,
    ],
    async run({ runtime, directory }) {
      // What it leaves running holds its outputs for as long as the pipe `hold` has a writer: us.
      const hold = `${directory}/hold`;
      await run(runtime, "mkfifo", [hold]);
      const libc = runtime.bind("libc.so.6", {
        open: ["i32", "buffer", "i32", "i32"],
        close: ["i32", "i32"],
      });
      const O_RDWR_CLOEXEC = 0o2000002;
      const writer = libc.open(new TextEncoder().encode(`${hold}\0`), O_RDWR_CLOEXEC, 0);
      const leave = 'read _ < "$0" & echo $! >> "$0.pids"; echo begun; ';
      const stays = ["-c", leave + "exec sleep 600", hold];
      const outcomes = [
        await longEnough((timeoutMs) => run(runtime, "sh", stays, { timeoutMs })),
        await longEnough(
          (timeoutMs) => run(runtime, "sh", ["-c", leave, hold], { timeoutMs }),
          ({ code }) => code === 0,
        ),
        await longEnough((ms) => {
          const later = new AbortController();
          setTimeout(() => later.abort(), ms);
          return run(runtime, "sh", stays, { abort: later.signal, timeoutMs: 10 * ms });
        }),
      ];
      const left = runtime.files.readText(`${hold}.pids`).trim().split("\n");
      const present = left.every((pid) =>
        codeOf(() => runtime.files.stat(`/proc/${pid}`)) !== "ENOENT"
      );
      libc.close(writer);
      return [...outcomes, present];
    },
  },
  {
    name: "run() passes no descriptor on but those it is told to, and closes none of its own",
    expected: { before: 1, inherits: 2, others: [1, 1], own: true },
    async run({ runtime, directory }) {
      const libc = runtime.bind("libc.so.6", { open: ["i32", "buffer", "i32", "i32"] });
      const path = `${runtime.files.realPath(directory)}/held`;
      runtime.files.write(path, "");
      const descriptor = libc.open(new TextEncoder().encode(`${path}\0`), 0o2000000, 0); // O_CLOEXEC
      // One line for the directory that `ls` lists, and one for each descriptor of the file.
      const count = async (inherit?: number[]) => {
        const { stdout } = await run(runtime, "ls", ["-l", "/proc/self/fd"], { inherit });
        return 1 + stdout.split("\n").filter((line) => line.endsWith(` -> ${path}`)).length;
      };
      const before = await count();
      const [inherits, ...others] = await Promise.all([count([descriptor]), count(), count()]);
      const own = runtime.files.readLink(`/proc/self/fd/${descriptor}`) === path;
      return { before, inherits, others, own };
    },
  },
  {
    name: "inheritedAs() says by which numbers a program has what it inherits",
    expected: true,
    async run({ runtime, directory }) {
      const libc = runtime.bind("libc.so.6", { open: ["i32", "buffer", "i32", "i32"] });
      const path = `${runtime.files.realPath(directory)}/inherited`;
      runtime.files.write(path, "");
      const inherit = [1, 2].map(() =>
        libc.open(new TextEncoder().encode(`${path}\0`), 0o2000000, 0) // O_CLOEXEC
      );
      const links = runtime.inheritedAs(inherit).map((number) => `/proc/self/fd/${number}`);
      const { stdout } = await run(runtime, "readlink", links, { inherit });
      return stdout === `${path}\n${path}\n`;
    },
  },
  {
    name: "run() leaves a program alone that ends in time",
    expected: { ...ENDED, stdout: "done\n" },
    run: ({ runtime }) => run(runtime, "/bin/sh", ["-c", "echo done"], { timeoutMs: 60_000 }),
  },
  {
    name: "run() kills a program when it is aborted, then or before",
    expected: [
      { ...ENDED, code: null, signal: "SIGKILL" },
      { ...ENDED, code: null, signal: "SIGKILL" },
    ],
    async run({ runtime }) {
      const later = new AbortController();
      setTimeout(() => later.abort(), 100);
      return [
        await run(runtime, "/bin/sleep", ["60"], { abort: later.signal }),
        await run(runtime, "/bin/sleep", ["60"], { abort: AbortSignal.abort() }),
      ];
    },
  },
  {
    name: "run() feeds text, bytes, or nothing",
    expected: ["grün", "3", "", ""],
    async run({ runtime }) {
      const cat = async (stdin?: string | Uint8Array) =>
        (await run(runtime, "/bin/cat", [], { stdin })).stdout;
      const counted = await run(runtime, "/bin/sh", ["-c", "wc -c | tr -d ' \\n'"], {
        stdin: Uint8Array.of(0, 255, 1),
      });
      return [await cat("grün"), counted.stdout, await cat(""), await cat()];
    },
  },
  {
    name: "run() feeds and reads a megabyte at once",
    expected: [0, true],
    async run({ runtime }) {
      const stdin = "0123456789abcdef".repeat(65536);
      const { code, stdout } = await run(runtime, "/bin/cat", [], { stdin });
      return [code, stdout === stdin];
    },
  },
  {
    name: "run() does not mind a program that leaves its input unread",
    expected: ENDED,
    run: ({ runtime }) => run(runtime, "/bin/true", [], { stdin: "x".repeat(1 << 20) }),
  },
  {
    name: "run() gives the environment it is told, or its own",
    expected: ["A=1\nB=\n", true],
    async run({ runtime }) {
      const told = await run(runtime, "/usr/bin/env", [], { env: { A: "1", B: "" } });
      const own = await run(runtime, "/usr/bin/env", []);
      return [
        told.stdout.split("\n").sort().filter(Boolean).map((line) => `${line}\n`).join(""),
        own.stdout.includes(`PATH=${runtime.env("PATH")}\n`),
      ];
    },
  },
  {
    name: "run() starts a program in a directory",
    expected: [true, "ENOENT"],
    async run({ runtime, directory }) {
      const { stdout } = await run(runtime, "/bin/pwd", ["-P"], { cwd: directory });
      return [
        stdout.trim() === runtime.files.realPath(directory),
        await codeOfAsync(() => run(runtime, "/bin/pwd", [], { cwd: `${directory}/none` })),
      ];
    },
  },
  {
    name: "run() finds a program by its name, on its own PATH or the one it is told",
    expected: ["found\n", "ENOENT", "mine\n", "EACCES"],
    async run({ runtime, directory }) {
      const env = { PATH: `/no/such/directory:${directory}` };
      const { files } = runtime;
      files.write(`${directory}/echo`, "#!/bin/sh\nexec /bin/echo mine\n", { mode: 0o755 });
      files.write(`${directory}/plain`, "#!/bin/sh\n", { mode: 0o644 });
      return [
        (await run(runtime, "echo", ["found"])).stdout,
        await codeOfAsync(() => run(runtime, "no-such-program")),
        (await run(runtime, "echo", ["found"], { env })).stdout,
        await codeOfAsync(() => run(runtime, "plain", [], { env })),
      ];
    },
  },
  {
    name: "run() starts no program of the working directory, and needs no PATH",
    expected: ["ENOENT", "ENOENT", "ENOENT", "usual\n", true],
    async run({ runtime, directory, again }) {
      const { files } = runtime;
      files.write(`${directory}/program`, "#!/bin/sh\necho taken\n", { mode: 0o755 });
      files.makeDirectory(`${directory}/bin`);
      files.write(`${directory}/bin/program`, "#!/bin/sh\necho taken\n", { mode: 0o755 });
      const start = async (PATH: string) =>
        (await again(["run", "program"], { env: { PATH }, cwd: directory })).stdout;
      return [
        await start("."),
        await start(":/no/such/directory:"),
        await start("bin"),
        (await run(runtime, "echo", ["usual"], { env: {} })).stdout,
        (await run(runtime, "ldconfig", ["--version"], { env: {} })).stdout !== "",
      ];
    },
  },
  {
    name: "run() names why a program cannot be started",
    expected: { missing: "ENOENT", mode: "EACCES", directory: "EACCES", interpreter: "ENOENT" },
    async run({ runtime, directory }) {
      const { files } = runtime;
      files.write(`${directory}/plain`, "#!/bin/sh\n", { mode: 0o644 });
      files.write(`${directory}/astray`, "#!/no/such/interpreter\n", { mode: 0o755 });
      const start = (path: string) => codeOfAsync(() => run(runtime, path));
      return {
        missing: await start(`${directory}/none`),
        mode: await start(`${directory}/plain`),
        directory: await start(directory),
        interpreter: await start(`${directory}/astray`),
      };
    },
  },
  {
    name: "run() says ETXTBSY while a program is being written, and starts it afterwards",
    expected: ["ETXTBSY", 5],
    async run({ runtime, directory }) {
      const path = `${directory}/program`;
      runtime.files.write(path, "#!/bin/sh\nexit 5\n", { mode: 0o755 });
      const libc = runtime.bind("libc.so.6", {
        open: ["i32", "buffer", "i32", "i32"],
        close: ["i32", "i32"],
      });
      const O_WRONLY_CLOEXEC = 0o2000001;
      const descriptor = libc.open(new TextEncoder().encode(`${path}\0`), O_WRONLY_CLOEXEC, 0);
      const busy = await codeOfAsync(() => run(runtime, path));
      libc.close(descriptor);
      return [busy, (await run(runtime, path)).code];
    },
  },
  {
    name: "run() says ENOEXEC of a file that is no program, or one for another machine",
    expected: ["ENOEXEC", "ENOEXEC"],
    async run({ runtime, directory }) {
      const { files } = runtime;
      const start = (path: string) => codeOfAsync(() => run(runtime, path));
      files.write(`${directory}/text`, "neither ELF nor #!\n", { mode: 0o755 });
      const foreign = files.read("/bin/true").slice();
      foreign[18]! ^= 0xff; // e_machine
      files.write(`${directory}/foreign`, foreign, { mode: 0o755 });
      return [await start(`${directory}/text`), await start(`${directory}/foreign`)];
    },
  },
  {
    name: "run() takes a script's own failure for what it is, whatever it says",
    expected: 127,
    async run({ runtime, directory }) {
      const path = `${directory}/script`;
      runtime.files.write(path, "#!/bin/sh\nno-such-command\n", { mode: 0o755 });
      return (await run(runtime, path)).code;
    },
  },
];
