import type { Host, Output } from "./host.ts";
import type { Exec } from "./observe.ts";

export const PODMAN = { name: "podman", program: "podman" };
export const CRUN = { name: "crun", program: "crun" };

/** PLUGINS stands for the directories of plugins. */
const CONFIG = `[network]
network_backend = "cni"
cni_plugin_dirs = [PLUGINS]
network_config_dir = "/etc/cni/net.d"
default_network = "chain"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
infra_image = "localhost/busybox:1"
infra_command = "/bin/sleep 100000"
runtime = "crun"
[containers]
cgroupns = "host"
`;

/** Writes a file of configuration. @param others a directory of more plugins; "" for none */
function writeConfig(path: string, text: string, others: string): void {
  const directories = ["/opt/cni/bin", ...others === "" ? [] : [others]];
  const list = directories.map((directory) => JSON.stringify(directory)).join(", ");
  Deno.writeTextFileSync(path, text.replace("PLUGINS", list));
}

/** Writes the configuration of podman and buildah, and returns the environment that names it. */
export function podmanEnvironment(others = ""): Record<string, string> {
  const path = "/run/containers.conf";
  writeConfig(path, CONFIG, others);
  return { CONTAINERS_CONF: path };
}

/** What a container runs that serves a page at port 80. */
export const SERVE = "mkdir -p /w; echo served >/w/index.html; exec httpd -f -p 80 -h /w";

/** An ordinary user's directories. */
export interface User {
  home: string;
  runtimeDirectory: string;
}

/** podman with its CNI backend. */
export class Podman {
  readonly #host: Host;
  readonly #user: User | undefined;
  readonly #env: Record<string, string>;

  /** @param user whose podman it is; root's where none is given */
  constructor(host: Host, user?: User) {
    this.#host = host;
    this.#user = user;
    this.#env = podmanEnvironment(host.programs);
  }

  /** Runs podman. @throws {Error} with its output when it fails */
  async run(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...args);
    if (code === 0) return stdout.trim();
    throw new Error(`podman ${args.join(" ")}: exit status ${code}\n${stderr}${stdout}`);
  }

  /** Starts a container with a root file system of its own. */
  async create(
    name: string,
    network: string,
    options: readonly string[],
    script: string,
  ): Promise<void> {
    this.#host.step(`run ${name}`);
    const root = await this.#host.rootfs(name, this.#user?.home);
    if (this.#user) await this.#host.run("chown", ["-R", "1000:1000", root]);
    const attached = ["--network", network, ...options];
    const command = ["--rootfs", root, "/bin/sh", "-c", script];
    this.#host.mark(await this.run("run", "--detach", "--name", name, ...attached, ...command));
  }

  /** What runs programs in a container. */
  exec(name: string): Exec {
    return (...command) => this.run("exec", name, ...command);
  }

  /** What runs programs in a container without podman, which where it is slow is what takes time. */
  async enter(name: string): Promise<Exec> {
    const pid = await this.run("inspect", "--format", "{{.State.Pid}}", name);
    const namespaces = ["--target", pid, "--mount", "--net", "--pid"];
    return (...command) => this.#host.run("nsenter", [...namespaces, "--", ...command]);
  }

  /** Runs podman to its end. */
  try(...args: readonly string[]): Promise<Output> {
    const command = ["podman", "--storage-driver=vfs", ...args];
    if (!this.#user) return this.#host.try(command[0]!, command.slice(1), { env: this.#env });
    const { home, runtimeDirectory } = this.#user;
    const own = [`HOME=${home}`, `XDG_RUNTIME_DIR=${runtimeDirectory}`, `XDG_CONFIG_HOME=${home}`];
    const config = `${home}/containers.conf`;
    const text = CONFIG.replace("/etc/cni/net.d", `${home}/networks`);
    writeConfig(config, text, this.#host.programs);
    const identity = ["--reuid=1000", "--regid=1000", "--clear-groups"];
    return this.#host.try("setpriv", [...identity, "env", ...own, ...command], {
      env: { CONTAINERS_CONF: config },
    });
  }
}
