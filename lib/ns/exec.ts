/**
 * Running a program in a network namespace, in this process's place: `ip netns exec`. Terminal,
 * signals and exit status are the program's own, since nothing stands between it and who waits.
 *
 * @module
 */
import { call } from "../libc/call.ts";
import { namespaces, programs } from "../libc/symbols.ts";
import { cString } from "../runtime/c_string.ts";
import { ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { mount, MS_BIND, MS_REC, MS_SLAVE } from "./mount.ts";
import { enterByDescriptor, type NetNs } from "./netns.ts";

/** `linux/sched.h` */
const CLONE_NEWNS = 0x20000;
/** `signal.h`: what Deno, Bun or both ignore. */
const IGNORED = { SIGPIPE: 13, SIGXFSZ: 25 };
const SIG_SETMASK = 2;
/** Bytes of a `sigset_t`. */
const SIGNAL_SET = 128;

/**
 * Becomes `program`, inside a namespace, with the environment of this process. As with `ip netns
 * exec` it sees the namespace's devices in /sys, and files of /etc/netns/NAME in the place of those
 * in /etc, where the namespace is /run/netns/NAME.
 *
 * @param program a path, or a name to look up in PATH
 * @returns never, unless that fails
 * @throws {SystemError} ENOENT or EACCES where the program cannot be executed; others where this
 * process may not enter the namespace
 */
export function execIn(netns: NetNs, program: string, args: readonly string[]): never {
  enterByDescriptor(netns.descriptor, netns.path);
  showInMounts(netns.path);
  exec(program, args);
}

/** Gives this process a view of the file system of its own, which shows the namespace. */
function showInMounts(path: string): void {
  call(() => namespaces().unshare(CLONE_NEWNS), () => "unshare the file system view");
  mount("none", "/", MS_SLAVE | MS_REC);
  try {
    mount("sysfs", "/sys", 0, "sysfs");
  } catch (error) {
    // In a container /sys may be locked. What the program does with the network works all the same.
    runtime.write(2, `/sys shows the devices of another namespace: ${messageOf(error)}\n`);
  }
  const [, name] = /\/netns\/([^/]+)$/.exec(path) ?? [];
  const etc = `/etc/netns/${name}`;
  for (const file of name ? ifPresent(() => runtime.files.list(etc)) ?? [] : []) {
    if (ifPresent(() => runtime.files.stat(`/etc/${file}`))) {
      mount(`${etc}/${file}`, `/etc/${file}`, MS_BIND);
    }
  }
}

function exec(program: string, args: readonly string[]): never {
  const { execvp, sigprocmask, signal } = programs();
  const words = [program, ...args].map(cString);
  const pointers = new BigUint64Array([...words.map((word) => runtime.addressOf(word)), 0n]);
  // What the runtime changed for itself is inherited.
  for (const number of Object.values(IGNORED)) signal(number, null);
  sigprocmask(SIG_SETMASK, new Uint8Array(SIGNAL_SET), null);
  call(() => execvp(words[0]!, pointers), () => `execute ${program}`);
  throw new Error("execvp(3) came back without an error");
}
