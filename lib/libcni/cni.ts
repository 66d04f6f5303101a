/**
 * The operations of a container runtime on networks: attach, check, detach and garbage collection.
 *
 * @module
 */
import { readResult } from "../invoke/result.ts";
import { type Attachment, membership } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import { encodeJson, type JsonObject } from "../types/json.ts";
import { validateNetworkName } from "../types/names.ts";
import type { Result } from "../types/result.ts";
import { atLeast } from "../types/versions.ts";
import { messageOf } from "../runtime/errors.ts";
import { Cache, type CachedAttachment } from "./cache.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import { listOf, type NetworkList, parseNetwork, type PluginConfig } from "./conf.ts";
import { throwJoined } from "./join_errors.ts";
import { printNetworkResult } from "./network_result.ts";
import { attachmentRequest, gcRequest, statusRequest } from "./request.ts";
import { type RuntimeConf, validateRuntimeConf } from "./runtime_conf.ts";

/** Options of a {@linkcode Cni}. */
export interface CniOptions extends CallerOptions {
  /** Where results are kept; `/var/lib/cni` when absent. */
  cacheDir?: string;
  /** Called with a sentence about each failure that does not fail the operation. */
  warn?: (message: string) => void;
}

/** Calls plugins as the specification (sections 3 and 4) has a runtime call them. */
export class Cni {
  readonly #options: CniOptions;
  readonly #plugins: Caller;

  /** Opens no file and runs no plugin. */
  constructor(options: CniOptions) {
    this.#options = options;
    this.#plugins = new Caller(options);
  }

  /**
   * Attaches a container: ADD to every plugin in order, each given the result of the one before.
   * The final result is cached. When a plugin fails nothing is undone: call
   * {@linkcode delNetworkList}, as the specification asks of a runtime.
   *
   * @throws {CniError} the failing plugin's, with its code; 5 when the result cannot be cached.
   */
  async addNetworkList(list: NetworkList, rt: RuntimeConf): Promise<Result> {
    validateNames(list, rt);
    const cache = this.#cache(rt);
    cache.prepare();
    const read = (stdout: string) => readResult(stdout, list.cniVersion);
    let result: Result = {};
    let prevResult: JsonObject | undefined;
    for (const plugin of list.plugins) {
      const stdin = attachmentRequest(plugin, list, prevResult, rt.capabilityArgs);
      result = await this.#plugins.run("ADD", plugin, stdin, rt, read);
      prevResult = printNetworkResult(result, list.cniVersion);
    }
    const { netns, args = [], capabilityArgs = {} } = rt;
    try {
      cache.write({
        ...attachmentOf(list, rt),
        config: list.text,
        netns,
        args: args.map(([key, value]) => [key, value]),
        capabilityArgs,
        result: prevResult,
      });
    } catch (error) {
      const context = `failed to set network ${quote(list.name)} cached result`;
      throw CniError.from(error).withContext(context);
    }
    return result;
  }

  /**
   * Checks an attachment: CHECK to every plugin. No plugin is called where the network has
   * `disableCheck`.
   *
   * @throws {CniError} the first failing plugin's; code 1 before version 0.4.0.
   */
  async checkNetworkList(list: NetworkList, rt: RuntimeConf): Promise<void> {
    validateNames(list, rt);
    if (!atLeast(list.cniVersion, "0.4.0")) {
      throw CniError.incompatibleVersion(
        `configuration version ${quote(list.cniVersion)} does not support the CHECK command, ` +
          "which came with 0.4.0",
      );
    }
    if (list.disableCheck) return;
    let prevResult: JsonObject | undefined;
    try {
      prevResult = this.#cachedResult(list, rt);
    } catch (error) {
      const context = `failed to get network ${quote(list.name)} cached result`;
      throw CniError.from(error).withContext(context);
    }
    for (const plugin of list.plugins) {
      const stdin = attachmentRequest(plugin, list, prevResult, rt.capabilityArgs);
      await this.#plugins.run("CHECK", plugin, stdin, rt, ignore);
    }
  }

  /**
   * Detaches a container: DEL to every plugin, the last one first. Stops at the first failure, and
   * keeps what is cached so that it can be called again.
   *
   * @throws {CniError} the failing plugin's, with its code.
   */
  async delNetworkList(list: NetworkList, rt: RuntimeConf): Promise<void> {
    validateNames(list, rt);
    let prevResult: JsonObject | undefined;
    try {
      if (atLeast(list.cniVersion, "0.4.0")) prevResult = this.#cachedResult(list, rt);
    } catch (error) {
      // A previous result is optional for DEL.
      this.#options.warn?.(`the cached result cannot be used and is dropped: ${messageOf(error)}`);
      this.#removeCached(list, rt);
    }
    for (const plugin of list.plugins.toReversed()) {
      const stdin = attachmentRequest(plugin, list, prevResult, rt.capabilityArgs);
      await this.#plugins.run("DEL", plugin, stdin, rt, ignore);
    }
    this.#removeCached(list, rt);
  }

  /**
   * Asks every plugin whether it could serve an ADD. Before version 1.1.0 no plugin is asked.
   *
   * @throws {CniError} the first plugin's that could not: code 50 or 51, and 50 also for one that
   * is not installed.
   */
  async statusNetworkList(list: NetworkList): Promise<void> {
    validateNetworkName(list.name);
    if (!atLeast(list.cniVersion, "1.1.0")) return;
    for (const plugin of list.plugins) {
      await this.#plugins.run("STATUS", plugin, statusRequest(plugin, list), undefined, ignore);
    }
  }

  /**
   * Cleans up: DEL for every one of {@linkcode staleAttachments}, to the plugins that it was made
   * by, then, from version 1.1.0 on, GC to every plugin with the list of what is valid. Failures
   * keep nothing else from being done. Nothing is removed where the network has `disableGC`. Not to
   * be called while an ADD or DEL is under way.
   *
   * @param valid every attachment of this network that is to stay
   * @throws {CniError} all failures in one; code 5 when the cache cannot be read; code 7 for an
   * entry of `valid` that names no attachment, before anything is done.
   */
  async gcNetworkList(list: NetworkList, valid: readonly Attachment[]): Promise<void> {
    validateNetworkName(list.name);
    valid.forEach(validateAttachment);
    if (list.disableGC) return;
    const errors: CniError[] = [];
    for (const stale of this.staleAttachments(list, valid)) {
      try {
        await this.delNetworkList(cachedNetwork(stale) ?? list, stale);
      } catch (error) {
        const context = `failed to delete stale attachment ${stale.containerId} ${stale.ifName}`;
        errors.push(CniError.from(error).withContext(context));
      }
    }
    for (const plugin of atLeast(list.cniVersion, "1.1.0") ? list.plugins : []) {
      try {
        await this.#plugins.run("GC", plugin, gcRequest(plugin, list, valid), undefined, ignore);
      } catch (error) {
        errors.push(CniError.from(error));
      }
    }
    throwJoined(errors);
  }

  /** Lists the network's cached attachments that are not `valid`. @throws {CniError} code 5 */
  staleAttachments(
    network: { name: string },
    valid: readonly Attachment[],
  ): CachedAttachment[] {
    const isValid = membership(valid);
    return this.getCachedAttachments().filter((cached) =>
      cached.network === network.name && !isValid(cached)
    );
  }

  /**
   * Checks that every plugin is installed and supports the network's version. Returns the
   * capabilities that the plugins ask for.
   *
   * @throws {CniError} all errors, in one.
   */
  async validateNetworkList(list: NetworkList): Promise<string[]> {
    const errors: CniError[] = [];
    for (const { type } of list.plugins) {
      try {
        const versions = await this.getVersionInfo(type);
        if (versions.includes(list.cniVersion)) continue;
        const wanted = quote(list.cniVersion);
        throw CniError.incompatibleVersion(
          `plugin ${type} does not support config version ${wanted}, but ${versions.join(", ")}`,
        );
      } catch (error) {
        errors.push(CniError.from(error));
      }
    }
    throwJoined(errors);
    return [...new Set(list.plugins.flatMap(({ capabilities }) => capabilities))];
  }

  /**
   * Attaches a container as {@linkcode addNetworkList} does, with one plugin, which has the
   * network's name in its own object.
   */
  async addNetwork(plugin: PluginConfig, rt: RuntimeConf): Promise<Result> {
    return await this.addNetworkList(networkOf(plugin), rt);
  }

  /** Checks an attachment as {@linkcode checkNetworkList} does, with one plugin. */
  async checkNetwork(plugin: PluginConfig, rt: RuntimeConf): Promise<void> {
    await this.checkNetworkList(networkOf(plugin), rt);
  }

  /** Detaches a container as {@linkcode delNetworkList} does, with one plugin. */
  async delNetwork(plugin: PluginConfig, rt: RuntimeConf): Promise<void> {
    await this.delNetworkList(networkOf(plugin), rt);
  }

  /**
   * Reads the final result of the attachment's ADD; undefined when none is cached.
   * @throws {CniError} when the cache cannot be read
   */
  getCachedResult(network: { name: string }, rt: RuntimeConf): Result | undefined {
    return this.#cache(rt).readResult(attachmentOf(network, rt));
  }

  /**
   * Reads what the attachment's ADD was called with: the network's configuration as text, and the
   * runtime's part; undefined when nothing is cached.
   *
   * @throws {CniError} when the cache cannot be read
   */
  getCachedConfig(
    network: { name: string },
    rt: RuntimeConf,
  ): { config: string; rt: RuntimeConf } | undefined {
    const cached = this.#cache(rt).read(attachmentOf(network, rt));
    if (cached === undefined) return undefined;
    const { config, args, capabilityArgs } = cached;
    return { config, rt: { ...rt, ...(args.length > 0 ? { args } : {}), capabilityArgs } };
  }

  /** Lists every cached attachment, or those of one container. @throws {CniError} code 5 */
  getCachedAttachments(containerId = ""): CachedAttachment[] {
    return this.#cache().list(containerId);
  }

  /** Asks plugin `type` which versions of the specification it supports. @throws {CniError} */
  getVersionInfo(type: string): Promise<readonly string[]> {
    return this.#plugins.versions(type);
  }

  #cache(rt?: RuntimeConf): Cache {
    return new Cache(this.#options.cacheDir ?? rt?.cacheDir, this.#options.warn);
  }

  #cachedResult(list: NetworkList, rt: RuntimeConf): JsonObject | undefined {
    const result = this.getCachedResult(list, rt);
    return result && printNetworkResult(result, list.cniVersion);
  }

  #removeCached(list: NetworkList, rt: RuntimeConf): void {
    try {
      this.#cache(rt).remove(attachmentOf(list, rt));
    } catch (error) {
      this.#options.warn?.(`cannot remove the cached result: ${messageOf(error)}`);
    }
  }
}

/**
 * Reads the network as it was at the attachment's ADD; its file may have changed since then.
 * Undefined where the cached configuration cannot be read.
 */
export function cachedNetwork({ config, network }: CachedAttachment): NetworkList | undefined {
  try {
    const list = parseNetwork(config);
    return list.name === network ? list : undefined;
  } catch {
    return undefined;
  }
}

function attachmentOf(
  { name }: { name: string },
  { containerId, ifName }: RuntimeConf,
): Attachment {
  return { network: name, containerId, ifName };
}

/** Checks the names before a plugin is run, or a file is named after them. */
function validateNames({ name }: NetworkList, rt: RuntimeConf): void {
  validateNetworkName(name);
  validateRuntimeConf(rt);
}

/** Checks an attachment to keep. @throws {CniError} code 7 where a part of its name is missing */
function validateAttachment(attachment: Attachment, index: number): void {
  try {
    validateNetworkName(attachment.network);
    validateRuntimeConf(attachment);
  } catch (error) {
    const { message, details } = CniError.from(error);
    throw CniError.invalidConfig(`valid attachment ${index + 1}: ${message}`, details);
  }
}

/** Makes a network of one plugin, whose own object the cache keeps. */
function networkOf(plugin: PluginConfig): NetworkList {
  return { ...listOf(plugin), text: encodeJson(plugin.json) };
}

/** Ignores the output of requests that have no answer but success. */
function ignore(): void {}
