/**
 * The client's program. `lib/server/protocol.ts` describes the protocol.
 *
 * It uses the memory that {@link clientData} names, and calls no library. Where anything goes wrong
 * before the call is handed over, it executes the executable, which then runs the call itself and
 * reports the error. The caller cannot observe what the client did until then.
 *
 * @module
 */
import { ACCEPTED, ANSWERING, GO, MAGIC, SIGNALS, SUCCEEDED } from "../../lib/server/protocol.ts";
import { SIBLING } from "../../lib/server/client_file.ts";
import type { Datum } from "./elf.ts";
import type { Instruction } from "./instruction.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_SNDTIMEO = 21;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SIGPIPE = 13;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const SFD_CLOEXEC = 0o2000000;
const POLLIN = 1;
const POLLOUT = 4;
const ESRCH = 3;
const EINTR = 4;
/** The auxiliary vector's entry with the path that was executed. getauxval(3) */
const AT_EXECFN = 31;
/** The working directory, which an absolute path does not start at. `linux/fcntl.h` */
const AT_FDCWD = -100;
/** Permission to execute a file: access(2) */
const X_OK = 1;
const STANDARD_OUTPUT = 1;
/** No send waits for room: only ppoll(2) takes account of the time that has passed. */
const AT_ONCE = MSG_NOSIGNAL + MSG_DONTWAIT;

/** `sizeof(struct sockaddr_un)`: unix(7) */
const SOCKADDR_UN = 110;
/** `sizeof(struct signalfd_siginfo)`: signalfd(2) */
const SIGINFO = 128;
/** The longest path that Linux takes, its NUL included: `linux/limits.h`. */
const PATH_MAX = 4096;
/** The longest {@link AT_EXECFN}: execveat(2) with a directory puts its descriptor before the path. */
const EXECFN_MAX = "/dev/fd/2147483647/".length + PATH_MAX;

/** The error object of a call that was handed over and not answered. */
const LOST = errorObject(
  11,
  "the resident server ended before it answered",
  "what it had done is not known: a DEL removes it; the server's log says why it ended",
);

/** The error object of a client that cannot execute the executable. */
const NO_EXECUTABLE = errorObject(
  5,
  "cannot execute the executable that this client stands for",
  `it must be the file ${SIBLING} beside the client, or where it was when the client was installed`,
);

/** A signal's bit in a set: signal(7) */
const bit = (signal: number) => 1 << (signal - 1);
const FORWARDED = Object.values(SIGNALS).reduce((set, signal) => set | bit(signal), 0);

/**
 * The program's data.
 * @param socketPath where the server listens
 * @param acceptTimeout how long to wait for a server that runs; seconds
 */
export function clientData(socketPath: string, acceptTimeout: number): Datum[] {
  const path = new TextEncoder().encode(socketPath);
  if (path.length >= SOCKADDR_UN - 2) {
    throw new RangeError(`${socketPath} is too long for a socket`);
  }
  const address = new Uint8Array(SOCKADDR_UN);
  address[0] = AF_UNIX;
  address.set(path, 2);
  return [
    { name: "lost", bytes: LOST },
    { name: "noExecutable", bytes: NO_EXECUTABLE },
    { name: "beside", bytes: new TextEncoder().encode(`${SIBLING}\0`) },
    { name: "self", bytes: new TextEncoder().encode("/proc/self/exe\0") },
    { name: "address", bytes: address },
    { name: "go", bytes: Uint8Array.of(GO) },
    // struct timeval for connect(2); then struct timespec, from which ppoll(2) subtracts what it
    // waits: whatever is waited for until the call is the server's has this time together.
    { name: "timeout", words: [acceptTimeout, 0] },
    // the signals that are blocked, and those of them that are forwarded
    { name: "blocked", words: [FORWARDED | bit(SIGPIPE)] },
    { name: "forwarded", words: [FORWARDED] },
    { name: "maskBefore", words: [0] },
    // the request's magic number and length
    { name: "header", words: [MAGIC] },
    // struct iovec: the header, the executable's path, arguments and environment
    { name: "parts", words: [{ datum: "header" }, 8, 0, 0, 0, 0] },
    // struct cmsghdr, with the three standard streams
    { name: "streams", words: [16 + 3 * 4, SOL_SOCKET + SCM_RIGHTS * 2 ** 32, 0 + 1 * 2 ** 32, 2] },
    { name: "goPart", words: [{ datum: "go" }, 1] },
    // struct msghdr: the request, and what hands the call over
    { name: "message", words: [0, 0, { datum: "parts" }, 3, 0, 0, 0] },
    { name: "handover", words: [0, 0, { datum: "goPart" }, 1, { datum: "streams" }, 32, 0] },
    // struct pollfd: the socket, at first for room in it, and the signals. The events are in the
    // bits 32 to 47
    { name: "polled", words: [POLLOUT * 2 ** 32, POLLIN * 2 ** 32] },
    // struct ucred, and its size
    { name: "peer", zeros: 16 },
    { name: "peerSize", words: [12] },
    { name: "heard", zeros: 8 },
    { name: "reply", zeros: 8 },
    { name: "signal", zeros: SIGINFO },
    { name: "path", zeros: EXECFN_MAX + SIBLING.length },
  ];
}

/**
 * The client's instructions, from its entry point.
 * @param startTimeout how long to wait for a server that has to be started; seconds
 */
export function clientProgram(startTimeout: number): Instruction[] {
  return [
    ...readStack(),
    ...findExecutable(),
    ...connect(startTimeout),
    ...request(),
    ...awaitEnd(),
    ...execute(),
  ];
}

/** Blocks signals until they can be forwarded; finds arguments, environment and path. */
function readStack(): Instruction[] {
  return [
    // The kernel has left on the stack: argc; argv, NULL; the environment, NULL; the auxiliary
    // vector. The texts of argv and environment lie one behind the other. execve(2)
    { op: "stack", to: "arguments" },
    { op: "add", to: "arguments", by: 8 },
    { op: "set", to: "pointer", value: "arguments" },
    { op: "set", to: "end", value: 0 },
    { op: "label", name: "next argument" },
    { op: "load", to: "result", from: { at: "pointer" }, size: 8 },
    { op: "add", to: "pointer", by: 8 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "environment" },
    { op: "set", to: "end", value: "result" },
    { op: "goTo", label: "next argument" },

    { op: "label", name: "environment" },
    { op: "set", to: "environment", value: "pointer" },
    { op: "label", name: "next variable" },
    { op: "load", to: "result", from: { at: "pointer" }, size: 8 },
    { op: "add", to: "pointer", by: 8 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "auxiliary vector" },
    { op: "set", to: "end", value: "result" },
    { op: "goTo", label: "next variable" },

    { op: "label", name: "auxiliary vector" },
    { op: "load", to: "result", from: { at: "pointer" }, size: 8 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "no executable" },
    { op: "add", to: "pointer", by: 16 },
    { op: "if", left: "result", is: "!=", right: AT_EXECFN, goTo: "auxiliary vector" },
    { op: "load", to: "pointer", from: { at: "pointer", offset: -8 }, size: 8 },

    {
      op: "system",
      call: "rt_sigprocmask",
      with: [SIG_BLOCK, { datum: "blocked" }, { datum: "maskBefore" }, 8],
    },
    // rt_sigprocmask(2) cannot fail here; after a failure there would be no mask to restore.
    { op: "if", left: "result", is: "<", right: 0, goTo: "no executable" },
  ];
}

/**
 * Chooses the path written at installation if it is an executable's, else that of the file beside
 * the one that was executed.
 */
function findExecutable(): Instruction[] {
  return [
    { op: "set", to: "executable", value: { datum: "installed" } },
    { op: "load", to: "result", from: { at: "executable" }, size: 1 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "beside" },
    { op: "system", call: "faccessat", with: [AT_FDCWD, "executable", X_OK] },
    { op: "if", left: "result", is: "==", right: 0, goTo: "measure" },

    { op: "label", name: "beside" },
    // Copies `pointer`, of EXECFN_MAX bytes at most, then puts "cni" and a NUL after its directory.
    { op: "set", to: "executable", value: { datum: "path" } },
    { op: "set", to: "socket", value: "executable" }, // where the name begins
    { op: "label", name: "next character" },
    { op: "load", to: "result", from: { at: "pointer" }, size: 1 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "name" },
    { op: "store", value: "result", to: { at: "executable" }, size: 1 },
    { op: "add", to: "pointer", by: 1 },
    { op: "add", to: "executable", by: 1 },
    { op: "if", left: "result", is: "!=", right: "/".charCodeAt(0), goTo: "next character" },
    { op: "set", to: "socket", value: "executable" },
    { op: "goTo", label: "next character" },
    { op: "label", name: "name" },
    { op: "set", to: "executable", value: { datum: "path" } },
    { op: "load", to: "result", from: { datum: "beside" }, size: 4 },
    { op: "store", value: "result", to: { at: "socket" }, size: 4 },

    // Measures the path, and arguments and environment together, with their NULs.
    { op: "label", name: "measure" },
    { op: "set", to: "pointer", value: "executable" },
    ...past("pointer", "executable's end"),
    { op: "subtract", from: "pointer", by: "executable" },
    { op: "store", value: "executable", to: { datum: "parts", offset: 16 }, size: 8 },
    { op: "store", value: "pointer", to: { datum: "parts", offset: 24 }, size: 8 },
    // With arguments this is not a runtime's call: a plugin's own command, which is executed.
    { op: "load", to: "result", from: { at: "arguments", offset: -8 }, size: 8 },
    { op: "if", left: "result", is: "!=", right: 1, goTo: "execute" },
    ...past("end", "environment's end"),
    { op: "load", to: "result", from: { at: "arguments" }, size: 8 },
    { op: "subtract", from: "end", by: "result" },
    { op: "store", value: "result", to: { datum: "parts", offset: 32 }, size: 8 },
    { op: "store", value: "end", to: { datum: "parts", offset: 40 }, size: 8 },
    { op: "add", to: "pointer", by: "end" },
    { op: "store", value: "pointer", to: { datum: "header", offset: 4 }, size: 4 },
  ];
}

/** Moves a pointer past the NUL of the text that it points into. */
function past(pointer: "pointer" | "end", name: string): Instruction[] {
  return [
    { op: "label", name },
    { op: "load", to: "result", from: { at: pointer }, size: 1 },
    { op: "add", to: pointer, by: 1 },
    { op: "if", left: "result", is: "!=", right: 0, goTo: name },
  ];
}

/** Connects. Where PID 1 or a process that is gone listened, the server may have to be started. */
function connect(startTimeout: number): Instruction[] {
  return [
    { op: "system", call: "socket", with: [AF_UNIX, SOCK_STREAM + SOCK_CLOEXEC, 0] },
    // A number below 3 is that of a standard stream which is closed.
    { op: "if", left: "result", is: "<", right: 3, goTo: "execute" },
    { op: "set", to: "socket", value: "result" },
    // Where the queue of connections is full, connect(2) waits as long as a send would.
    {
      op: "system",
      call: "setsockopt",
      with: ["socket", SOL_SOCKET, SO_SNDTIMEO, { datum: "timeout" }, 16],
    },
    { op: "if", left: "result", is: "<", right: 0, goTo: "execute" },
    { op: "system", call: "connect", with: ["socket", { datum: "address" }, SOCKADDR_UN] },
    { op: "if", left: "result", is: "<", right: 0, goTo: "execute" },
    {
      op: "system",
      call: "getsockopt",
      with: ["socket", SOL_SOCKET, SO_PEERCRED, { datum: "peer" }, { datum: "peerSize" }],
    },
    { op: "if", left: "result", is: "<", right: 0, goTo: "execute" },
    { op: "load", to: "pointer", from: { datum: "peer" }, size: 4 },
    { op: "if", left: "pointer", is: "==", right: 1, goTo: "starting" },
    { op: "system", call: "kill", with: ["pointer", 0] },
    { op: "if", left: "result", is: "!=", right: -ESRCH, goTo: "prepare" },
    { op: "label", name: "starting" },
    { op: "store", value: startTimeout, to: { datum: "timeout" }, size: 8 },

    { op: "label", name: "prepare" },
    { op: "system", call: "signalfd4", with: [-1, { datum: "forwarded" }, 8, SFD_CLOEXEC] },
    { op: "if", left: "result", is: "<", right: 0, goTo: "execute" },
    { op: "store", value: "socket", to: { datum: "polled" }, size: 4 },
    { op: "store", value: "result", to: { datum: "polled", offset: 8 }, size: 4 },
  ];
}

/** Sends the request and hands the call over: after the last instruction it is the server's. */
function request(): Instruction[] {
  return [
    { op: "system", call: "sendmsg", with: ["socket", { datum: "message" }, AT_ONCE] },
    // The rest, of a long environment, is the end of the last part, whose size is in `end`. After an
    // error the rest is longer than all, as it is longer than that part where the path is in it.
    { op: "set", to: "pointer", value: "end" },
    { op: "load", to: "end", from: { datum: "header", offset: 4 }, size: 4 },
    { op: "add", to: "end", by: 8 },
    { op: "subtract", from: "end", by: "result" },
    { op: "subtract", from: "pointer", by: "end" },
    { op: "if", left: "pointer", is: "<", right: 0, goTo: "execute" },
    { op: "load", to: "result", from: { at: "arguments" }, size: 8 },
    { op: "add", to: "pointer", by: "result" },
    // Now `pointer` leads to the rest, and `end` is its size.
    { op: "label", name: "send" },
    { op: "if", left: "end", is: "!=", right: 0, goTo: "await server" },
    { op: "store", value: POLLIN, to: { datum: "polled", offset: 4 }, size: 4 },
    { op: "label", name: "await server" },
    { op: "system", call: "ppoll", with: [{ datum: "polled" }, 1, { datum: "timeout" }, 0, 0] },
    { op: "if", left: "result", is: "!=", right: 1, goTo: "execute" },
    { op: "if", left: "end", is: "==", right: 0, goTo: "answer" },
    { op: "system", call: "sendto", with: ["socket", "pointer", "end", AT_ONCE, 0, 0] },
    { op: "if", left: "result", is: "<", right: 0, goTo: "execute" },
    { op: "add", to: "pointer", by: "result" },
    { op: "subtract", from: "end", by: "result" },
    { op: "goTo", label: "send" },

    { op: "label", name: "answer" },
    { op: "system", call: "read", with: ["socket", { datum: "reply" }, 1] },
    { op: "if", left: "result", is: "!=", right: 1, goTo: "execute" },
    { op: "load", to: "result", from: { datum: "reply" }, size: 1 },
    { op: "if", left: "result", is: "!=", right: ACCEPTED, goTo: "execute" },
    { op: "system", call: "sendmsg", with: ["socket", { datum: "handover" }, AT_ONCE] },
    { op: "if", left: "result", is: "!=", right: 1, goTo: "execute" },
  ];
}

/** Waits for the status, and forwards signals. */
function awaitEnd(): Instruction[] {
  return [
    { op: "label", name: "wait" },
    { op: "system", call: "ppoll", with: [{ datum: "polled" }, 2, 0, 0, 0] },
    { op: "if", left: "result", is: "==", right: -EINTR, goTo: "wait" },
    { op: "if", left: "result", is: "<", right: 0, goTo: "lost" },
    { op: "load", to: "result", from: { datum: "polled", offset: 14 }, size: 1 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "listen" },
    { op: "load", to: "pointer", from: { datum: "polled", offset: 8 }, size: 4 },
    { op: "system", call: "read", with: ["pointer", { datum: "signal" }, SIGINFO] },
    { op: "if", left: "result", is: "!=", right: SIGINFO, goTo: "listen" },
    { op: "system", call: "sendto", with: ["socket", { datum: "signal" }, 1, MSG_NOSIGNAL, 0, 0] },
    // Where that fails the connection has ended, which the next read reports.
    { op: "label", name: "listen" },
    { op: "load", to: "result", from: { datum: "polled", offset: 6 }, size: 1 },
    { op: "if", left: "result", is: "==", right: 0, goTo: "wait" },
    { op: "system", call: "read", with: ["socket", { datum: "reply" }, 1] },
    { op: "if", left: "result", is: "==", right: -EINTR, goTo: "wait" },
    { op: "if", left: "result", is: "!=", right: 1, goTo: "lost" },
    { op: "load", to: "result", from: { datum: "reply" }, size: 1 },
    { op: "if", left: "result", is: "==", right: SUCCEEDED, goTo: "succeeded" },
    { op: "if", left: "result", is: "!=", right: ANSWERING, goTo: "failed" },
    { op: "store", value: 1, to: { datum: "heard" }, size: 8 },
    { op: "goTo", label: "wait" },

    { op: "label", name: "succeeded" },
    { op: "system", call: "exit_group", with: [0] },

    { op: "label", name: "lost" },
    { op: "load", to: "result", from: { datum: "heard" }, size: 8 },
    { op: "if", left: "result", is: "!=", right: 0, goTo: "failed" },
    { op: "system", call: "write", with: [STANDARD_OUTPUT, { datum: "lost" }, LOST.length] },
    { op: "label", name: "failed" },
    { op: "system", call: "exit_group", with: [1] },
  ];
}

/** Executes the executable. The socket and the signalfd are close-on-exec. */
function execute(): Instruction[] {
  return [
    { op: "label", name: "execute" },
    {
      op: "system",
      call: "rt_sigprocmask",
      with: [SIG_SETMASK, { datum: "maskBefore" }, 0, 8],
    },
    { op: "if", left: "result", is: "<", right: 0, goTo: "no executable" },
    { op: "system", call: "execve", with: ["executable", "arguments", "environment"] },
    ...executeBesideFile(),
    { op: "label", name: "no executable" },
    {
      op: "system",
      call: "write",
      with: [STANDARD_OUTPUT, { datum: "noExecutable" }, NO_EXECUTABLE.length],
    },
    { op: "goTo", label: "failed" },
  ];
}

/**
 * Executes the file beside this one, where the path that it was executed by is a symbolic link's, or
 * the path that was written in leads to what cannot be executed.
 */
function executeBesideFile(): Instruction[] {
  return [
    { op: "set", to: "executable", value: { datum: "path" } },
    {
      op: "system",
      call: "readlinkat",
      with: [AT_FDCWD, { datum: "self" }, "executable", PATH_MAX],
    },
    { op: "if", left: "result", is: "<", right: 0, goTo: "no executable" },
    { op: "set", to: "pointer", value: "executable" },
    { op: "add", to: "pointer", by: "result" },
    { op: "label", name: "character before" },
    { op: "if", left: "pointer", is: "==", right: "executable", goTo: "no executable" },
    { op: "add", to: "pointer", by: -1 },
    { op: "load", to: "result", from: { at: "pointer" }, size: 1 },
    { op: "if", left: "result", is: "!=", right: "/".charCodeAt(0), goTo: "character before" },
    { op: "load", to: "result", from: { datum: "beside" }, size: 4 },
    { op: "store", value: "result", to: { at: "pointer", offset: 1 }, size: 4 },
    { op: "system", call: "execve", with: ["executable", "arguments", "environment"] },
  ];
}

/** Formats an error object: specification, section 5, "Error". */
function errorObject(code: number, msg: string, details: string): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ cniVersion: "1.1.0", code, msg, details }) + "\n",
  );
}
