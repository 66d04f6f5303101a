/**
 * A container runtime that calls the plugins of a network one by one, as executables, and can put
 * another program before the last of them.
 *
 * @module
 */
import { outputWithInput, type PluginReply } from "../plugins.ts";
import { programPath } from "../../../scripts/support/files.ts";
import type { FaultAttachment, FaultNetwork } from "./networks.ts";
import type { FaultRoom } from "./suite.ts";

/** How to call. */
export interface CallOptions {
  /** Words to put before the last plugin's executable. */
  before?: readonly string[];
  /** Words to put before every plugin's executable, and before those of `before`. */
  beforeAll?: readonly string[];
  /** More of the environment. */
  env?: Record<string, string>;
  /** Whether plugins before the last one may fail, too: then ADD ends, and DEL goes on. */
  mayFail?: boolean;
  /** CNI_NETNS of all plugins, in the place of the container's namespace. */
  netns?: string;
  /** What becomes of the configuration of each plugin. */
  change?(config: Readonly<Record<string, unknown>>): Record<string, unknown>;
}

/** Calls a network's plugins. */
export class FaultRuntime {
  readonly #room: FaultRoom;
  readonly #network: FaultNetwork;
  readonly #bin: string;
  readonly #env: Readonly<Record<string, string>>;
  #attachments = 0;

  /** @param env more of the environment of every call */
  constructor(
    room: FaultRoom,
    network: FaultNetwork,
    { bin = room.bin, env = {} }: { bin?: string; env?: Record<string, string> } = {},
  ) {
    this.#room = room;
    this.#network = network;
    this.#bin = bin;
    this.#env = env;
    network.host?.(room.sandbox);
  }

  /** How many plugins the network has. */
  get length(): number {
    return this.#network.plugins.length;
  }

  /** A container that is not attached yet. */
  container(containerId: string): FaultAttachment {
    const { sandbox } = this.#room;
    const options = this.#network.attachment?.(sandbox, ++this.#attachments) ?? {};
    return { containerId, netns: sandbox.container(containerId), options };
  }

  /** ADD of all plugins. @returns the reply of the last one that was called */
  add(attachment: FaultAttachment, options: CallOptions = {}): PluginReply {
    const { plugins } = this.#network;
    let prevResult: unknown;
    for (const [i] of plugins.entries()) {
      const isLast = i === plugins.length - 1;
      const { beforeAll } = options;
      const how = isLast ? options : { beforeAll };
      const reply = this.#call("ADD", i, attachment, prevResult, how);
      this.#room.count("ADD");
      if (isLast) {
        if (reply.code === 0) {
          attachment.result = reply.json;
          this.#network.use?.(this.#room.sandbox, attachment);
        }
        return reply;
      }
      if (options.mayFail && reply.code !== 0) return reply;
      prevResult = expectSuccess(`ADD of ${plugins[i]!.type}`, reply).json;
    }
    throw new Error("a network has plugins");
  }

  /** CHECK of all plugins. @returns the last one's reply */
  check(attachment: FaultAttachment, options: CallOptions = {}): PluginReply {
    this.#room.count("CHECK");
    const { beforeAll } = options;
    return this.#network.plugins.map((_, i, { length }) => {
      const how = i === length - 1 ? options : { beforeAll };
      return this.#call("CHECK", i, attachment, attachment.result, how);
    }).at(-1)!;
  }

  /** DEL of all plugins, the last first. @returns the last one's reply, or another's that failed */
  del(attachment: FaultAttachment, options: CallOptions = {}): PluginReply {
    const last = this.#network.plugins.length - 1;
    this.#room.count("DEL");
    const { netns, change, mayFail, beforeAll } = options;
    let reply = this.#call("DEL", last, attachment, attachment.result, options);
    for (let i = last - 1; i >= 0; i--) {
      const how = { netns, change, beforeAll };
      const earlier = this.#call("DEL", i, attachment, attachment.result, how);
      if (!mayFail) expectSuccess(`DEL of ${this.#network.plugins[i]!.type}`, earlier);
      else if (earlier.code !== 0) reply = earlier;
    }
    return reply;
  }

  /**
   * GC of all plugins, the last first, where only these are valid.
   * @returns the last one's reply, or another's that failed
   */
  gc(valid: readonly FaultAttachment[], options: CallOptions = {}): PluginReply {
    const list = valid.map(({ containerId }) => ({ containerID: containerId, ifname: "eth0" }));
    return this.#ofNetwork("GC", { "cni.dev/valid-attachments": list }, options);
  }

  /** STATUS of all plugins, the last first. @returns as {@link FaultRuntime.gc} */
  status(options: CallOptions = {}): PluginReply {
    return this.#ofNetwork("STATUS", {}, options);
  }

  /** A command that is about no attachment. @param fields what the configuration has more */
  #ofNetwork(
    command: "GC" | "STATUS",
    fields: Record<string, unknown>,
    options: CallOptions,
  ): PluginReply {
    const last = this.#network.plugins.length - 1;
    this.#room.count(command);
    const call = (i: number, how: CallOptions) =>
      this.#execute(i, { CNI_COMMAND: command }, fields, how);
    let reply = call(last, options);
    for (let i = last - 1; i >= 0; i--) {
      const earlier = call(i, { beforeAll: options.beforeAll });
      if (!options.mayFail) {
        expectSuccess(`${command} of ${this.#network.plugins[i]!.type}`, earlier);
      } else if (earlier.code !== 0) reply = earlier;
    }
    return reply;
  }

  #call(
    command: string,
    i: number,
    { containerId, netns, options }: FaultAttachment,
    prevResult: unknown,
    how: CallOptions,
  ): PluginReply {
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: how.netns ?? netns.path,
      CNI_IFNAME: "eth0",
    };
    const own = i === this.#network.plugins.length - 1 ? options : {};
    return this.#execute(i, env, prevResult === undefined ? own : { ...own, prevResult }, how);
  }

  #execute(
    i: number,
    cniEnv: Record<string, string>,
    fields: Record<string, unknown>,
    { beforeAll = [], before = [], env = {}, change = (config) => ({ ...config }) }: CallOptions,
  ): PluginReply {
    const plugin = this.#network.plugins[i]!;
    const network = { cniVersion: "1.1.0", name: this.#room.network };
    const config = { ...network, ...change({ ...plugin, ...fields }), type: plugin.type };
    const [program = "", ...args] = [...beforeAll, ...before, `${this.#bin}/${plugin.type}`];
    const path = { PATH: programPath(), CNI_PATH: this.#bin };
    const output = outputWithInput(
      program,
      JSON.stringify(config),
      { ...path, ...this.#env, ...cniEnv, ...env },
      args,
    );
    return { ...output, json: parsed(output.stdout) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws {Error} with what a plugin said, when it failed */
export function expectSuccess(what: string, reply: PluginReply): PluginReply {
  if (reply.code === 0) return reply;
  throw new Error(`${what} ended with ${reply.code}: ${reply.stdout}${reply.stderr}`);
}

/**
 * Expects a success, or an error of the specification's form. Returns whether it was a success.
 * @throws {Error} with what a plugin said, when it was killed or said something else
 */
export function expectAnswer(what: string, { code, stdout, stderr, json }: PluginReply): boolean {
  if (code === 0) return true;
  if (code === 1 && typeof json?.code === "number" && typeof json.msg === "string") return false;
  throw new Error(`${what} ended with ${code}: ${stdout}${stderr}`);
}

/** For a call that may wait for ever: timeout(1) ends it, and it is no answer. */
export const NO_HANG: CallOptions = { beforeAll: ["timeout", "-s", "KILL", "60"] };
