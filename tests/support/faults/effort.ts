/**
 * What calls cost, as strace counts it: system calls about files and sockets, and what goes through
 * netlink. Those about memory, time and waiting, which differ each time, do not count.
 *
 * @module
 */
import { BackgroundProcess } from "../process.ts";
import { FILE_CALLS } from "./strace.ts";

/** What one call or several cost. */
export interface Effort {
  systemCalls: number;
  /** Netlink messages sent. */
  messages: number;
  /** Bytes that sockets received. */
  received: number;
}

const COUNTED = [
  ...FILE_CALLS,
  ...["socket", "bind", "connect", "accept4", "close", "setns", "unshare", "ioctl"],
  ...["sendto", "sendmsg", "recvfrom", "recvmsg", "getsockopt", "setsockopt"],
  ...["statx", "newfstatat", "fstat", "vfork"],
].filter((name) => name !== "read" && name !== "write"); // Of pipes and descriptors that wake up.

/** The words to put before a program, for what it costs to be added to a file. */
export function writeEffort(file: string): string[] {
  const calls = COUNTED.map((name) => `?${name}`).join(",");
  return ["strace", "-A", "-s", "512", "-o", file, "-e", "signal=none", "-e", `trace=${calls}`];
}

/** Has what a running process costs written to a file, until the object is disposed of. */
export async function attachEffort(file: string, pid: number): Promise<AsyncDisposable> {
  const [program = "", ...words] = [...writeEffort(file), "-p", `${pid}`];
  const strace = new BackgroundProcess(program, words);
  await strace.until(() => strace.output.includes("attached"), "strace");
  return { [Symbol.asyncDispose]: async () => void await strace.stop("SIGINT") };
}

/** Adds up what {@link writeEffort} or {@link attachEffort} had written. */
export function effortIn(file: string): Effort {
  const lines = Deno.readTextFileSync(file).split("\n").filter((line) =>
    /^\w+\(/.test(line) && !line.includes(" = -1 EAGAIN")
  );
  const count = (pattern: RegExp, text: string) => Array.from(text.matchAll(pattern)).length;
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    systemCalls: lines.length,
    messages: sum(
      lines.filter((line) => line.startsWith("send")).map((line) => count(/nlmsg_len=/g, line)),
    ),
    received: sum(
      lines.filter((line) => line.startsWith("recv")).map((line) =>
        Math.max(0, Number(/ = (-?\d+)/.exec(line.slice(line.lastIndexOf(")")))?.[1] ?? 0))
      ),
    ),
  };
}
