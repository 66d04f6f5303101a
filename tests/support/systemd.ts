/**
 * A systemd that is process 1 of namespaces of its own, and sees nothing of the machine's units: what
 * is in /etc/systemd/system there is all that it has.
 *
 * @module
 */
import { BackgroundProcess, eventually } from "./process.ts";

/** systemd's manager, which is not on PATH. */
export const SYSTEMD = "/lib/systemd/systemd";

/** The targets that each unit depends on of itself, without what Debian starts before them. */
const TARGETS = ["basic", "default", "multi-user", "shutdown", "sockets", "sysinit"];

/** Nothing outlives the first process of these. */
const NAMESPACES = ["--pid", "--mount", "--cgroup", "--net", "--uts", "--ipc"];

/**
 * A shell script that mounts control groups of version 2 at /mnt, and notes the directory of this
 * process's as `own`.
 */
export const MOUNT_OWN_GROUP = `mount -t cgroup2 cgroup2 /mnt
own=/mnt$(sed -n 's/^0:://p' /proc/self/cgroup)`;

/** Goes into a control group below this process's: systemd makes its own in the one that it is in. */
const CONFINE = `set -e
${MOUNT_OWN_GROUP}
group=$own/$1
mkdir "$group"
echo $$ >"$group/cgroup.procs"
shift
exec unshare ${NAMESPACES.join(" ")} --fork --kill-child sh -c "$@"
`;

/**
 * Makes the file systems, and becomes systemd. Arguments: what is mounted at /opt/cni/bin. What of the
 * machine systemd would write to as its process 1 is read-only; the namespace's sysctls and /tmp, where
 * tests have their files, are not.
 */
const ENTER = `set -e
umount /mnt
mount -t proc proc /proc
mount --bind /proc/sys/net /proc/sys/net
mount --bind -o ro /proc/sys /proc/sys
mount --bind /tmp /tmp
mount -o remount,bind,ro /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /opt
mount -t tmpfs -o mode=755 tmpfs /etc/systemd
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /opt/cni/bin /etc/systemd/system
mount --bind "$1" /opt/cni/bin
for target in ${TARGETS.join(" ")}; do
  printf '[Unit]\\nDescription=%s\\nDefaultDependencies=no\\n' $target >/etc/systemd/system/$target.target
done
touch /run/console
mount --bind /run/console /dev/console
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \\
  SYSTEMD_GENERATOR_PATH=/nowhere ${SYSTEMD} --system --log-target=console --show-status=no
`;

/** What {@link CONFINE} has made: it is empty when its last process has gone. */
const REMOVE = `set -e
${MOUNT_OWN_GROUP}
group=$own/$1
[ ! -e "$group" ] || find "$group" -depth -type d -exec rmdir {} +
`;

/** A running systemd; it ends with this object, and what it has started with it. */
export class Systemd implements AsyncDisposable {
  readonly #group = `cni-test-${crypto.randomUUID()}`;
  readonly #unshare: BackgroundProcess;
  #pid = "";

  private constructor(bin: string) {
    const args = ["--mount", "sh", "-c", CONFINE, "sh", this.#group, ENTER, "sh", bin];
    this.#unshare = new BackgroundProcess("unshare", args);
  }

  /** Starts it, and waits until it takes commands. @param bin what is at /opt/cni/bin there */
  static async start(bin: string): Promise<Systemd> {
    const self = new Systemd(bin);
    try {
      await self.#ready();
      return self;
    } catch (error) {
      await self[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What enters its namespaces, before a program and its arguments. */
  get inside(): string[] {
    return ["nsenter", "--target", this.#pid, "--all"];
  }

  /** Runs a program in its namespaces. */
  async try(program: string, ...args: string[]): Promise<{ code: number; output: string }> {
    const [nsenter, ...inside] = this.inside;
    const { code, stdout, stderr } = await new Deno.Command(nsenter!, {
      args: [...inside, program, ...args],
      env: { SYSTEMD_UNIT_PATH: "/etc/systemd/system" },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, output: (text(stdout) + text(stderr)).trim() };
  }

  /** Runs a program there. @throws {Error} with its output, and systemd's log, when it fails */
  async run(program: string, ...args: string[]): Promise<string> {
    const { code, output } = await this.try(program, ...args);
    if (code === 0) return output;
    const log = (await this.try("cat", "/run/console")).output;
    throw new Error(`${program} ${args.join(" ")}: exit status ${code}\n${output}\n${log}`);
  }

  /** Writes a file of /etc/systemd/system, and has systemd read them. */
  async write(name: string, content: string): Promise<void> {
    const path = `/etc/systemd/system/${name}`;
    const script = `mkdir -p "$(dirname "$1")"; printf %s "$2" >"$1"`;
    await this.run("sh", "-c", script, "sh", path, content);
    await this.run("systemctl", "daemon-reload");
  }

  async #ready(): Promise<void> {
    const pid = this.#unshare.pid;
    await this.#unshare.until(() => {
      const [first = ""] = childrenOf(pid).split(" ");
      this.#pid = first;
      return this.#unshare.hasEnded || programOf(first) === "systemd";
    }, "systemd did not start");
    await eventually(
      async () =>
        this.#unshare.hasEnded || (await this.try("systemctl", "is-system-running")).code === 0,
      () => `systemd to take commands\n${this.#unshare.output}`,
    );
    if (this.#unshare.hasEnded) throw new Error(`systemd has ended: ${this.#unshare.output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unshare.stop("SIGKILL");
    await eventually(async () => {
      const args = ["--mount", "sh", "-c", REMOVE, "sh", this.#group];
      return (await new Deno.Command("unshare", { args, stderr: "null" }).output()).success;
    }, () => `the control group ${this.#group} to be empty`);
  }
}

function childrenOf(pid: number): string {
  return readIfThere(`/proc/${pid}/task/${pid}/children`);
}

/** The name of a process's program; "" where there is no such process. */
function programOf(pid: string): string {
  return pid === "" ? "" : readIfThere(`/proc/${pid}/comm`).trim();
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // The process has ended.
  }
}
