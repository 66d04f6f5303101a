/**
 * Pods by the container runtime interface, as the kubelet makes them: gRPC over a Unix socket.
 *
 * @module
 */
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { eventually } from "../support/process.ts";
import { fromFileUrl } from "../support/paths.ts";
import type { Exec } from "./observe.ts";

/** A port of the host's that leads to one of the pod's. */
export interface HostPort {
  protocol: "TCP" | "UDP" | "SCTP";
  container_port: number;
  host_port: number;
  host_ip?: string;
}

/** What a pod is made of. */
export interface PodConfig {
  metadata: { name: string; uid: string; namespace: string; attempt: number };
  hostname: string;
  log_directory: string;
  port_mappings: readonly HostPort[];
  annotations: Record<string, string>;
  linux: Record<string, never>;
}

/** A pod that runs. */
export interface Pod {
  name: string;
  id: string;
  config: PodConfig;
  /** Its addresses on the first network, the IPv4 one first. */
  addresses: string[];
  /** The path of its network namespace. */
  netns: string;
  /** The process that holds its other namespaces. */
  pid: number;
  /** Runs programs in the pod's container; there is none before {@link Cri.addContainer}. */
  exec: Exec;
}

// deno-lint-ignore no-explicit-any -- answers are as cri.proto has them
type Answer = any;

/** How long a call may take. Milliseconds. */
const DEADLINE = 60_000;
const IMAGE = "localhost/busybox:1";

/** A client of the runtime's. */
export class Cri implements Disposable {
  // deno-lint-ignore no-explicit-any -- its methods are made of cri.proto
  readonly #client: any;

  constructor(socket: string) {
    const definition = loader.loadSync(fromFileUrl(new URL("cri.proto", import.meta.url)), {
      keepCase: true,
      longs: Number,
      enums: String,
      defaults: true,
    });
    // deno-lint-ignore no-explicit-any -- a tree of packages
    const { runtime } = grpc.loadPackageDefinition(definition) as any;
    this.#client = new runtime.v1.RuntimeService(
      `unix://${socket}`,
      grpc.credentials.createInsecure(),
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  /** Calls a method. @throws {Error} what the runtime answers */
  call(method: string, request: Record<string, unknown> = {}): Promise<Answer> {
    return new Promise((resolve, reject) =>
      this.#client[method](
        request,
        { deadline: Date.now() + DEADLINE },
        (error: Error | null, answer: Answer) => error ? reject(error) : resolve(answer),
      )
    );
  }

  /** Waits until the runtime says that it and the network are ready. */
  async ready(): Promise<void> {
    let status: Answer;
    await eventually(
      async () => {
        try {
          status = await this.call("Status");
        } catch (error) {
          status = String(error);
          return false;
        }
        return status.status.conditions
          .filter(({ type }: Answer) => /^(Runtime|Network)Ready$/.test(type))
          .every(({ status }: Answer) => status);
      },
      () => `the runtime to be ready: ${JSON.stringify(status)}`,
    );
  }

  /** Starts a pod's sandbox, which attaches it. */
  async runPod(
    name: string,
    { ports = [], annotations = {} }: {
      ports?: readonly HostPort[];
      annotations?: Record<string, string>;
    } = {},
  ): Promise<Pod> {
    const config: PodConfig = {
      metadata: { name, uid: `uid-${name}`, namespace: "test", attempt: 0 },
      hostname: name,
      log_directory: "/run/pods",
      port_mappings: ports,
      annotations,
      linux: {},
    };
    const { pod_sandbox_id: id } = await this.call("RunPodSandbox", { config });
    const { status, info } = await this.call("PodSandboxStatus", {
      pod_sandbox_id: id,
      verbose: true,
    });
    const { ip, additional_ips } = status.network;
    const { pid, runtimeSpec: { linux } } = JSON.parse(info.info);
    return {
      name,
      id,
      config,
      pid,
      addresses: [ip, ...additional_ips.map(({ ip }: Answer) => ip)],
      netns: linux.namespaces.find(({ type }: Answer) => type === "network").path,
      exec: noContainer,
    };
  }

  /** Starts a container in a pod, which runs a script with busybox. */
  async addContainer(pod: Pod, script: string): Promise<void> {
    const { container_id: id } = await this.call("CreateContainer", {
      pod_sandbox_id: pod.id,
      sandbox_config: pod.config,
      config: {
        metadata: { name: "main", attempt: 0 },
        image: { image: IMAGE, user_specified_image: IMAGE },
        command: ["/bin/sh", "-c", script],
      },
    });
    await this.call("StartContainer", { container_id: id });
    pod.exec = async (...cmd) => {
      const end = await this.call("ExecSync", { container_id: id, cmd, timeout: 30 });
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      if (end.exit_code === 0) return text(end.stdout);
      throw new Error(`${pod.name}: ${cmd.join(" ")}: ${text(end.stderr)}${text(end.stdout)}`);
    };
  }

  /** Stops and removes a pod. */
  async removePod({ id }: Pick<Pod, "id">): Promise<void> {
    await this.call("StopPodSandbox", { pod_sandbox_id: id });
    await this.call("RemovePodSandbox", { pod_sandbox_id: id });
  }
}

function noContainer(): Promise<string> {
  return Promise.reject(new Error("the pod has no container"));
}
