/**
 * A program's system calls that change something, counted by strace, and failed or killed at one of
 * them. Only the program's main thread is looked at, which does all of the work.
 *
 * @module
 */
import { BackgroundProcess } from "../process.ts";

/** The k-th call of a system call, from 1, as a program makes it. */
export interface CallPoint {
  readonly syscall: string;
  readonly nth: number;
  /** How strace writes the call, for people. */
  readonly text: string;
}

/** Calls about files that a disk can refuse. */
export const FILE_CALLS = [
  ...["write", "pwrite64", "openat", "open", "fsync", "fdatasync", "flock", "ftruncate"],
  ...["mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"],
  ...["link", "linkat", "symlink", "symlinkat", "utimensat", "chmod", "fchmod", "getdents64"],
  ...["read", "pread64", "readlink", "readlinkat"],
];

/** Calls that can change what another process sees. */
const CHANGING = [
  ...["sendto", "sendmsg", "write", "pwrite64", "openat", "open", "ioctl", "flock"],
  ...["mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"],
  ...["link", "linkat", "symlink", "symlinkat", "utimensat", "chmod", "fchmod", "ftruncate"],
  ...["mount", "umount2", "vfork", "clone", "clone3", "kill", "bind"],
];

/** The words to put before a program, for its calls to be written to a file. */
export function countCalls(file: string, syscalls: readonly string[] = CHANGING): string[] {
  return ["strace", "-y", "-s", "64", "-o", file, "-e", `trace=${syscalls.map(optional)}`];
}

/**
 * The words to put before a program, for it to be killed as it makes a call: before the call does
 * anything.
 */
export function killAt({ syscall, nth }: Omit<CallPoint, "text">): string[] {
  return inject(syscall, `signal=SIGKILL:when=${nth}`);
}

/**
 * The words to put before a program, for it to be stopped as it has made a call; {@link isStopped}
 * tells by the file when it is.
 */
export function stopAt({ syscall, nth }: Omit<CallPoint, "text">, file: string): string[] {
  return inject(syscall, `signal=SIGSTOP:when=${nth}`, file);
}

/** What strace writes when the program is stopped. */
export const STOPPED = "--- stopped by SIGSTOP ---";

/** Whether a program has come to where {@link stopAt} stops it. */
export function isStopped(file: string): boolean {
  return Deno.readTextFileSync(file).includes(STOPPED);
}

/**
 * Does to a program that runs what would be done to one started behind the words; calls count from
 * then on.
 */
export async function attach(
  pid: number,
  [program, ...words]: readonly string[],
): Promise<BackgroundProcess> {
  const strace = new BackgroundProcess(program!, [...words, "-p", `${pid}`]);
  await strace.until(() => strace.output.includes("attached"), "strace");
  return strace;
}

/** The words to put before a program, for one of its calls to fail. */
export function failAt({ syscall, nth }: CallPoint, error: string): string[] {
  return inject(syscall, `error=${error}:when=${nth}`);
}

function inject(syscall: string, how: string, file = "/dev/null"): string[] {
  return ["strace", "-o", file, "-e", `trace=${syscall}`, `--inject=${syscall}:${how}`];
}

/** A name that strace may not know on this machine's processor. */
function optional(syscall: string): string {
  return `?${syscall}`;
}

/**
 * The calls of a file that {@link countCalls} had written that changed something, in their order: a
 * program that is killed between two of them leaves what it leaves when killed at the second. Of a
 * program that changed nothing its last call.
 */
export function changingCalls(file: string): CallPoint[] {
  const calls = callsOf(file);
  const changing = calls.filter(({ text }) => isChange(text));
  return changing.length > 0 ? changing : calls.slice(-1);
}

/** The words to put before a program, for its calls about files to be written to a file. */
export function countFileCalls(file: string): string[] {
  return countCalls(file, FILE_CALLS);
}

/** The calls of a file that {@link countFileCalls} had written that were about state files. */
export function stateFileCalls(file: string): CallPoint[] {
  return callsOf(file).filter(({ text }) => /[<"]\/(run\/cni|var\/lib\/cni)\b/.test(text));
}

/** All calls of a file that {@link countCalls} had written. */
export function callsOf(file: string): CallPoint[] {
  const numbers = new Map<string, number>();
  return Deno.readTextFileSync(file).split("\n").flatMap((text) => {
    const syscall = /^(\w+)\(/.exec(text)?.[1];
    if (syscall === undefined) return [];
    const nth = (numbers.get(syscall) ?? 0) + 1;
    numbers.set(syscall, nth);
    return [{ syscall, nth, text }];
  });
}

/** Whether a call has changed something that outlives the program. */
function isChange(text: string): boolean {
  const [, name, first] = /^(\w+)\((\d+<[^>]*>|[^,)]*)/.exec(text)!;
  if (/ = -1 E/.test(text)) return false;
  switch (name) {
    case "openat":
    case "open":
      // A lock's file says nothing by being there, and opening a sysctl does not set it.
      return /O_CREAT|O_TRUNC/.test(text) && !/\/lock",|"\/proc\//.test(text);
    case "flock":
      return false;
    case "write":
    case "pwrite64":
    case "ftruncate":
      // To files, and to standard output.
      return /^\d+<\/(?!memfd:|dev\/null)/.test(first!) || /^1</.test(first!);
    case "ioctl":
      return text.includes("TUNSET");
    case "clone":
    case "clone3":
      return text.includes("CLONE_VFORK");
    case "bind":
      return text.includes("AF_UNIX");
    case "sendto":
    case "sendmsg":
      return !isQuestion(text);
    default:
      return true;
  }
}

/**
 * Whether what is sent are requests for what is there. strace names a message's type, or gives its
 * number where the socket is another namespace's: of four types of rtnetlink's the third is such.
 */
function isQuestion(text: string): boolean {
  if (/_(NEW|DEL|SET)/.test(text)) return false;
  if (/(RTM|NFT_MSG|IPCTNL_MSG)_\w*GET/.test(text)) return true;
  const types = Array.from(text.matchAll(/nlmsg_type=(0x[0-9a-f]+)/g), ([, type]) => Number(type));
  return types.length > 0 && types.every((type) => type >= 16 && type < 256 && type % 4 === 2);
}
