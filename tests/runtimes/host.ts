/**
 * The machine that a scenario runs on: namespaces of its own of every kind, in which it is root,
 * with file systems of its own where runtimes and plugins keep things.
 *
 * @module
 */
import { BackgroundProcess, eventually } from "../support/process.ts";
import type { Message, Order, PluginSet } from "./order.ts";

/** Where the sets of plugins are, in the scenario's file system. */
const SETS = "/run/plugins";
/** Where runtimes look for plugins. */
export const BIN = "/opt/cni/bin";

/** Directories that the scenario has its own of, empty at first. */
const OWN_DIRECTORIES = [
  "/opt/cni",
  "/etc/cni",
  // Where Debian has the Go plugins, and ctr looks too.
  "/usr/lib/cni",
  "/var/lib/cni",
  "/var/lib/containerd",
  "/var/lib/containers",
  "/var/tmp",
  // podman's locks: two that make them at the same time fail.
  "/dev/shm",
];

/** A program's end. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** How a program is run. */
export interface RunOptions {
  env?: Record<string, string>;
}

/** The machine, from inside. */
export class Host {
  readonly #order: Order;
  /** Identifiers and addresses of which nothing may be left at the end. */
  readonly marks = new Set<string>();

  constructor(order: Order) {
    this.#order = order;
  }

  /** Makes the file systems, and loopback. Namespaces were made by who started this process. */
  static async enter(order: Order): Promise<Host> {
    const host = new Host(order);
    if (order.programs !== "") Deno.env.set("PATH", `${order.programs}:${Deno.env.get("PATH")}`);
    await host.run("mount", ["-t", "tmpfs", "tmpfs", "/run"]);
    for (const directory of ["/run/netns", "/run/lock", "/run/tmp", SETS]) {
      await Deno.mkdir(directory, { recursive: true });
    }
    for (const [set, directory] of Object.entries(order.plugins)) {
      await Deno.mkdir(`${SETS}/${set}`);
      await host.run("mount", ["--bind", directory, `${SETS}/${set}`]);
    }
    for (const directory of OWN_DIRECTORIES) {
      await Deno.mkdir(directory, { recursive: true });
      await host.run("mount", ["-t", "tmpfs", "tmpfs", directory]);
    }
    for (const directory of [BIN, "/etc/cni/net.d"]) await Deno.mkdir(directory);
    await host.run("umount", ["--recursive", "/sys/fs/cgroup"]);
    await host.run("mount", ["-t", "tmpfs", "cgroup", "/sys/fs/cgroup"]);
    for (const options of order.cgroups) {
      const directory = `/sys/fs/cgroup/${options.replace(/^name=/, "")}`;
      await Deno.mkdir(directory);
      const known = options.startsWith("name=") ? `none,${options}` : options;
      await host.run("mount", ["-t", "cgroup", "-o", known, "cgroup", directory]);
    }
    await host.run("ip", ["link", "set", "lo", "up"]);
    await host.#bind(order.first);
    return host;
  }

  /** The directory of what was fetched for the scenario; "" for none. */
  get programs(): string {
    return this.#order.programs;
  }

  /** Whose plugins attach at first. */
  get first(): PluginSet {
    return this.#order.first;
  }

  /** Whose plugins remove what there is. */
  get last(): PluginSet {
    return this.#order.then;
  }

  /** Says what is done now. */
  step(step: string): void {
    send({ step });
  }

  /** Notes what must be the same with the other set of plugins. */
  observe(observed: string, value: unknown): void {
    send({ observed, value });
  }

  /** Notes a container's identifier or address, of which nothing may be left at the end. */
  mark(...texts: readonly string[]): void {
    for (const text of texts) this.marks.add(text);
  }

  /** Replaces the plugins, where this run is one that does, with containers running. */
  async exchange(): Promise<void> {
    if (this.#order.first === this.#order.then) return;
    this.step(
      `plugins exchanged: ${this.#order.then === "go" ? "Go's for ours" : "ours for Go's"}`,
    );
    await this.run("umount", ["--lazy", BIN]);
    await this.#bind(this.#order.then);
  }

  #bind(set: string): Promise<string> {
    return this.run("mount", ["--bind", `${SETS}/${set}`, BIN]);
  }

  /** Kills the plugins that run. */
  killPlugins(): void {
    for (const { name } of Deno.readDirSync("/proc")) {
      try {
        if (Deno.readLinkSync(`/proc/${name}/exe`).startsWith(`${BIN}/`)) {
          Deno.kill(Number(name), "SIGKILL");
        }
      } catch {
        // No process, or one that has ended.
      }
    }
  }

  /**
   * Ends every other process, and takes away what no disk holds: /run, links and rules. What is below
   * /var and /etc stays.
   */
  async reboot(): Promise<void> {
    const others = Array.from(Deno.readDirSync("/proc"), ({ name }) => Number(name))
      .filter((pid) => pid > 1 && pid !== Deno.pid);
    for (const pid of others) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await eventually(
      () => others.every((pid) => !isRunning(pid)),
      () => `processes to end: ${others.filter(isRunning).join(" ")}`,
    );
    for (const directory of ["/run/containerd", "/run/netns", "/run/cni", "/run/lock"]) {
      const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
        .map((line) => line.split(" ")[1] ?? "")
        .filter((path) => path === directory || path.startsWith(`${directory}/`));
      // One that is taken away takes those below it with it.
      for (const path of mounts.reverse()) await this.try("umount", ["--lazy", path]);
      await this.run("rm", ["-rf", directory]);
    }
    for (const directory of ["/run/netns", "/run/lock"]) await Deno.mkdir(directory);
    await this.run("nft", ["flush", "ruleset"]);
    for (const { ifname } of await this.ip("-d", "link", "show", "type", "bridge")) {
      await this.run("ip", ["link", "delete", ifname]);
    }
    await eventually(
      async () => (await this.ip("link", "show", "type", "veth")).length === 0,
      () => "the pods' links to go with their namespaces",
    );
  }

  /** Runs a program. @throws {Error} with its output when it fails */
  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(program, args, options);
    if (code === 0) return stdout;
    throw new Error(`${program} ${args.join(" ")}: exit status ${code}\n${stderr}${stdout}`);
  }

  /** Runs a program to its end. */
  async try(
    program: string,
    args: readonly string[],
    { env }: RunOptions = {},
  ): Promise<Output> {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      env: { ...env, TMPDIR: "/run/tmp" },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Starts a program that stays. */
  start(program: string, args: readonly string[]): BackgroundProcess {
    return new BackgroundProcess(program, args, { env: { TMPDIR: "/run/tmp" } });
  }

  /** `ip -j ARGS`, parsed. */
  // deno-lint-ignore no-explicit-any -- iproute2's JSON has no types
  async ip(...args: readonly string[]): Promise<any[]> {
    const text = await this.run("ip", ["-j", ...args]);
    return text.trim() === "" ? [] : JSON.parse(text);
  }

  /** Writes a network configuration list where runtimes look. */
  async network(list: Record<string, unknown>, file = "10-test.conflist"): Promise<void> {
    await Deno.writeTextFile(`/run/tmp/${file}`, JSON.stringify(list, null, 2));
    await this.run("mv", [`/run/tmp/${file}`, `/etc/cni/net.d/${file}`]);
  }

  /** A new root file system with busybox in it. */
  async rootfs(name: string, dir = "/run"): Promise<string> {
    const root = await Deno.makeTempDir({ dir, prefix: `${name}-` });
    await Deno.chmod(root, 0o755);
    const directories = ["bin", "sbin", "proc", "sys", "dev", "etc", "tmp", "run", "root", "var"];
    for (const directory of directories) {
      await Deno.mkdir(`${root}/${directory}`, { recursive: true });
    }
    await Deno.copyFile("/bin/busybox", `${root}/bin/busybox`);
    await this.run("/bin/busybox", ["--install", "-s", `${root}/bin`]);
    for (const entry of Deno.readDirSync(`${root}/bin`)) {
      if (!entry.isSymlink) continue;
      Deno.removeSync(`${root}/bin/${entry.name}`);
      Deno.symlinkSync("busybox", `${root}/bin/${entry.name}`);
    }
    await Deno.writeTextFile(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
    await Deno.writeTextFile(`${root}/etc/group`, "root:x:0:\n");
    for (const file of ["hosts", "resolv.conf"]) {
      await Deno.writeTextFile(`${root}/etc/${file}`, "");
    }
    return root;
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

function send(message: Message): void {
  const bytes = new TextEncoder().encode(JSON.stringify(message) + "\n");
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
