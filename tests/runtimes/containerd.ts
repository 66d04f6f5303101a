import { type BackgroundProcess, eventually } from "../support/process.ts";
import { Cri } from "./cri.ts";
import { archive } from "./image.ts";
import type { Host, Output } from "./host.ts";
import type { Exec } from "./observe.ts";

export const CONTAINERD = { name: "containerd", program: "containerd" };
export const RUNC = { name: "runc", program: "runc" };

const SOCKET = "/run/containerd/containerd.sock";
const COMMON = `root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "${SOCKET}"
`;

/** Its configuration, by its major version. Lowering the OOM score takes a privilege. */
const CONFIGS: Readonly<Record<string, string>> = {
  1: `version = 2
${COMMON}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
    max_conf_num = 0
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`,
  2: `version = 3
${COMMON}
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "localhost/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
    max_conf_num = 0
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`,
};

/** containerd and its client. */
export class Containerd {
  readonly #host: Host;
  #daemon: BackgroundProcess;

  private constructor(host: Host, daemon: BackgroundProcess) {
    this.#host = host;
    this.#daemon = daemon;
  }

  /** Starts the daemon with the images that pods are made of, and waits until pods can be run. */
  static async startForPods(host: Host): Promise<{ containerd: Containerd; cri: Cri }> {
    const containerd = await Containerd.start(host);
    const images = await archive(host, ["localhost/pause:1", "localhost/busybox:1"]);
    const imported = await containerd.ctr("--namespace", "k8s.io", "images", "import", images);
    if (imported.code !== 0) throw new Error(`import ${images}: ${imported.stderr}`);
    const cri = new Cri(SOCKET);
    await cri.ready();
    return { containerd, cri };
  }

  /** Starts the daemon, and waits until it answers. */
  static async start(host: Host): Promise<Containerd> {
    const version = await host.run("containerd", ["--version"]);
    const [, major = ""] = / v?(\d+)\.\d/.exec(version) ?? [];
    await Deno.writeTextFile("/run/containerd.toml", CONFIGS[major]!);
    const containerd = new Containerd(host, startDaemon(host));
    await containerd.#answers();
    return containerd;
  }

  /** Kills the daemon. */
  async kill(): Promise<void> {
    await this.#daemon.stop("SIGKILL");
  }

  /** Ends the daemon and starts it anew; containers go on. */
  async restart(signal: Deno.Signal): Promise<void> {
    await this.#daemon.stop(signal);
    this.#daemon = startDaemon(this.#host);
    await this.#answers();
  }

  #answers(): Promise<void> {
    return eventually(
      async () => (await this.ctr("version")).code === 0,
      () => `containerd to answer\n${this.#daemon.output}`,
    );
  }

  /**
   * Waits until a container of `ctr run` runs, and returns what runs programs in it: `ctr task exec`
   * now and then loses what they wrote.
   */
  async running(name: string): Promise<Exec> {
    let pid: string | undefined;
    await eventually(
      async () => {
        const { stdout } = await this.ctr("task", "ls");
        pid = new RegExp(`^${name} +(\\d+) +RUNNING`, "m").exec(stdout)?.[1];
        return pid !== undefined;
      },
      () => `${name} to run`,
    );
    const enter = ["--target", pid!, "--mount", "--net", "--pid"];
    return (...command) => this.#host.run("nsenter", [...enter, "--", ...command]);
  }

  /** Runs `ctr` to its end. */
  ctr(...args: readonly string[]): Promise<Output> {
    return this.#host.try("ctr", ["--address", SOCKET, ...args]);
  }
}

function startDaemon(host: Host): BackgroundProcess {
  return host.start("containerd", ["--config", "/run/containerd.toml", "--log-level", "info"]);
}
