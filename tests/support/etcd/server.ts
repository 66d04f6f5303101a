/**
 * etcd for tests: members that the test starts in its own namespace, and ends.
 *
 * @module
 */
import { BackgroundProcess, eventually } from "../process.ts";
import type { Sandbox } from "../sandbox.ts";

/** What a cluster of members is started with. */
export interface ClusterOptions {
  members?: number;
  /** Arguments of every member: certificates, limits. */
  args?: readonly string[];
  /** `https` with certificates. */
  scheme?: "http" | "https";
  /** Where `etcd` and `etcdctl` are. */
  directory?: string;
  /** Arguments of every `etcdctl`: certificates, a user. */
  ctl?: readonly string[];
}

/** A cluster of etcd. */
export class EtcdCluster implements AsyncDisposable {
  readonly members: EtcdMember[];

  private constructor(members: EtcdMember[]) {
    this.members = members;
  }

  /** Starts members, and waits until they serve. Their data goes with the sandbox. */
  static async start(sandbox: Sandbox, options: ClusterOptions = {}): Promise<EtcdCluster> {
    const { members: count = 1, args = [], scheme = "http" } = options;
    const { directory = "/usr/bin", ctl = [] } = options;
    const names = Array.from({ length: count }, (_, index) => `m${index + 1}`);
    const peer = (index: number) => `http://127.0.0.1:${2380 + 10 * index}`;
    const initial = names.map((name, index) => `${name}=${peer(index)}`).join(",");
    const members = names.map((name, index) => {
      const url = `${scheme}://127.0.0.1:${2379 + 10 * index}`;
      return new EtcdMember(sandbox, { directory, ctl }, url, `${sandbox.directory}/etcd-${name}`, [
        ...["--name", name, "--initial-cluster", initial, "--initial-cluster-token", "test"],
        ...["--listen-peer-urls", peer(index), "--initial-advertise-peer-urls", peer(index)],
        ...["--listen-client-urls", url, "--advertise-client-urls", url, ...args],
      ]);
    });
    for (const member of members) member.start();
    const cluster = new EtcdCluster(members);
    await Promise.all(members.map((member) => member.untilServing()));
    return cluster;
  }

  get endpoints(): string[] {
    return this.members.map(({ url }) => url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop("SIGKILL")));
  }
}

/** Where the programs are, and what `etcdctl` is told. */
type Programs = Required<Pick<ClusterOptions, "directory" | "ctl">>;

/** A member of a cluster: it can be paused, killed and started again with its data. */
export class EtcdMember {
  readonly url: string;
  dataDirectory: string;
  readonly #sandbox: Sandbox;
  readonly #programs: Programs;
  readonly #args: readonly string[];
  #process: BackgroundProcess | undefined;

  constructor(
    sandbox: Sandbox,
    programs: Programs,
    url: string,
    dataDirectory: string,
    args: readonly string[],
  ) {
    this.#sandbox = sandbox;
    this.#programs = programs;
    this.url = url;
    this.dataDirectory = dataDirectory;
    this.#args = args;
  }

  start(): void {
    this.#process = new BackgroundProcess(
      `${this.#programs.directory}/etcd`,
      ["--data-dir", this.dataDirectory, ...this.#args],
      { env: { ETCD_LOGGER: "zap", ETCD_LOG_LEVEL: "error" } },
    );
  }

  /** Waits until it answers: it has found its cluster's leader. */
  async untilServing(): Promise<void> {
    const isServing = () => this.try("endpoint", "status").code === 0;
    const what = () => `etcd at ${this.url}\n${this.#process?.output.slice(-2000)}`;
    await eventually(isServing, what);
  }

  /** Waits until it accepts connections, for where it does not say more to everybody. */
  async untilListening(): Promise<void> {
    const port = Number(new URL(this.url).port);
    await eventually(async () => {
      try {
        using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
        return true;
      } catch {
        return false;
      }
    }, () => `etcd at ${this.url}`);
  }

  /** Stops it from running, as a partition does: connections to it stay open. */
  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Ends it, also where it is paused. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    this.resume();
    await this.#process?.stop(signal);
    this.#process = undefined;
  }

  /** Writes a backup of what it has. */
  backup(path: string): void {
    this.ctl("snapshot", "save", path);
  }

  /**
   * Ends it, and starts it with what a backup has, and nothing else. It is another cluster than
   * before where its token is.
   */
  async restore(path: string, token: string): Promise<void> {
    await this.stop("SIGKILL");
    this.dataDirectory += "-restored";
    const value = (name: string) => this.#args[this.#args.indexOf(name) + 1]!;
    this.ctl(
      ...["snapshot", "restore", path, "--data-dir", this.dataDirectory, "--name", value("--name")],
      ...["--initial-cluster", value("--initial-cluster"), "--initial-cluster-token", token],
      ...["--initial-advertise-peer-urls", value("--initial-advertise-peer-urls")],
    );
    this.start();
    await this.untilServing();
  }

  #signal(signal: Deno.Signal): void {
    if (this.#process) Deno.kill(this.#process.pid, signal);
  }

  /** `etcdctl ARGS` at this member. */
  ctl(...args: string[]): string {
    const { code, stdout, stderr } = this.try(...args);
    if (code !== 0) throw new Error(`etcdctl ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  try(...args: string[]): { code: number; stdout: string; stderr: string } {
    const { directory, ctl } = this.#programs;
    return this.#sandbox.try(`${directory}/etcdctl`, [`--endpoints=${this.url}`, ...ctl, ...args]);
  }

  /** The keys below a prefix. */
  keys(prefix = "/"): string[] {
    return this.ctl("get", prefix, "--prefix", "--keys-only").split("\n").filter(Boolean);
  }

  /** The value of a key; "" where there is none. */
  value(key: string): string {
    return this.ctl("get", key, "--print-value-only").trimEnd();
  }
}
