import { type BackgroundProcess, eventually } from "../support/process.ts";
import { Cri } from "./cri.ts";
import { archive } from "./image.ts";
import type { Host, Output } from "./host.ts";
import type { Exec } from "./observe.ts";

export const CONTAINERD = { name: "containerd", program: "containerd" };
export const RUNC = { name: "runc", program: "runc" };

const SOCKET = "/run/containerd/containerd.sock";
const CONFIG = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Lowering it takes a privilege that containers lack.
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
`;

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
    await Deno.writeTextFile("/run/containerd.toml", CONFIG);
    const containerd = new Containerd(host, startDaemon(host));
    await containerd.#answers();
    return containerd;
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

  /** Waits until a container of `ctr run` runs, and returns what runs programs in it. */
  async running(name: string): Promise<Exec> {
    await eventually(
      async () => new RegExp(`^${name} .*RUNNING`, "m").test((await this.ctr("task", "ls")).stdout),
      () => `${name} to run`,
    );
    let calls = 0;
    return async (...command) => {
      const id = `exec-${++calls}`;
      const end = await this.ctr("task", "exec", "--exec-id", id, name, ...command);
      if (end.code === 0) return end.stdout;
      throw new Error(`${name}: ${command.join(" ")}: ${end.stderr}${end.stdout}`);
    };
  }

  /** Runs `ctr` to its end. */
  ctr(...args: readonly string[]): Promise<Output> {
    return this.#host.try("ctr", ["--address", SOCKET, ...args]);
  }
}

function startDaemon(host: Host): BackgroundProcess {
  return host.start("containerd", ["--config", "/run/containerd.toml", "--log-level", "info"]);
}
