/**
 * A client of etcd over its JSON gateway, `/v3`, which every member has since etcd 3.4.
 *
 * A request goes to one member after the other until one answers. Whether a change was made cannot
 * be told from an answer that did not come: each transaction is such that sending it again does not
 * do it twice, and that the second answer tells that the first was done.
 *
 * @module
 */
import { messageOf } from "../../../../lib/runtime/errors.ts";
import { runtime } from "../../../../lib/runtime/mod.ts";
import { sleep } from "../../../../lib/runtime/sleep.ts";
import type { HttpClient } from "../../../../lib/runtime/types.ts";
import { CniError } from "../../../../lib/types/error.ts";
import {
  encodeJson,
  isObject,
  type JsonObject,
  type JsonValue,
  parseJson,
} from "../../../../lib/types/json.ts";
import { EtcdUnavailable, Grpc, permanentError, type Refusal } from "./error.ts";
import type { EtcdSettings } from "./settings.ts";
import { readToken, writeToken } from "./token.ts";
import { type Answer, decodeAnswer, encodeTransaction, type Transaction } from "./transaction.ts";

/** The shortest time that a member is given to answer, in milliseconds. */
const SHORTEST_ATTEMPT_MS = 1000;

/** How long to wait before asking all members again, in milliseconds: an election takes a second. */
const PAUSE_MS = 150;

/** After how many rounds in which no member accepts a connection a request fails. */
const UNREACHED_ROUNDS = 2;

/** A client whose requests all end at one deadline. */
export class EtcdClient implements Disposable {
  readonly #settings: EtcdSettings;
  readonly #http: HttpClient;
  #deadline: number;
  /** Endpoints, the one that answered last first. */
  #endpoints: string[];
  #isInDoubt = false;

  /**
   * Makes a client whose requests all end at one deadline, `timeoutMs` from now.
   * @param first the endpoint to begin with, where it is one of the settings'
   * @throws {CniError} code 7 when a certificate cannot be read
   */
  constructor(settings: EtcdSettings, first?: string) {
    this.#settings = settings;
    this.#deadline = performance.now() + settings.timeoutMs;
    const { endpoints, caFile, certFile, keyFile } = settings;
    this.#endpoints = [...endpoints];
    if (first !== undefined && endpoints.includes(first)) this.#prefer(first);
    const read = (key: string, path: string | undefined) =>
      path === undefined ? undefined : readFile(key, path);
    const identity = {
      ca: read("caFile", caFile),
      cert: read("certFile", certFile),
      key: read("keyFile", keyFile),
    };
    try {
      this.#http = runtime.http(identity);
    } catch (error) {
      throw CniError.invalidConfig(
        `the certificates of "etcd" cannot be used: ${messageOf(error)}; caFile, certFile and ` +
          "keyFile must be PEM files, the key the certificate's",
      );
    }
  }

  /** The endpoint that answered last. */
  get endpoint(): string {
    return this.#endpoints[0]!;
  }

  /** Whether there is time left to try something again. */
  get hasTime(): boolean {
    return performance.now() < this.#deadline;
  }

  /** Whether a change was sent whose outcome is unknown. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** Sets the deadline anew, `timeoutMs` from now, for calls that make many requests. */
  extend(): void {
    this.#deadline = performance.now() + this.#settings.timeoutMs;
  }

  /**
   * Runs a transaction.
   * @throws {EtcdUnavailable} when no member answers: its outcome is unknown
   * @throws {CniError} code 7 when etcd does not permit it; 11 when it is full
   */
  async transact(transaction: Transaction): Promise<Answer> {
    const isChange = transaction.then.some((operation) => !("get" in operation));
    const body = encodeTransaction(transaction);
    return await this.#request("/v3/kv/txn", body, { isChange, read: decodeAnswer });
  }

  /**
   * Makes a lease: what is written with it ends with it.
   * @param seconds how long it lasts unless it is kept alive
   * @returns its ID
   * @throws as `transact`
   */
  async grantLease(seconds: number): Promise<string> {
    const read = (text: string) => member(parseJson(text), "ID");
    return await this.#request("/v3/lease/grant", { TTL: String(seconds) }, { read });
  }

  /** Renews a lease. Returns whether it was still there. @throws as `transact` */
  async keepLease(id: string): Promise<boolean> {
    const answer = await this.#request("/v3/lease/keepalive", { ID: id }, { read: parseJson });
    const result = isObject(answer) && isObject(answer.result) ? answer.result : {};
    return Number(result.TTL ?? 0) > 0;
  }

  /**
   * Sends a request to members, one after the other, until one answers.
   * @param read reads the answer; what it throws says that no etcd wrote it
   * @throws as `transact`
   */
  async #request<T>(
    path: string,
    body: JsonObject,
    { isChange = false, read }: { isChange?: boolean; read: (text: string) => T },
  ): Promise<T> {
    const { timeoutMs, endpoints } = this.#settings;
    const attemptMs = Math.max(timeoutMs / endpoints.length, SHORTEST_ATTEMPT_MS);
    const reasons = new Map<string, string>();
    for (let unreached = 0; unreached < UNREACHED_ROUNDS;) {
      let isReached = false;
      for (const endpoint of [...this.#endpoints]) {
        const left = this.#deadline - performance.now();
        if (left <= 0) throw this.#unavailable(reasons);
        const begun = performance.now();
        try {
          const answer = await this.#ask(endpoint, path, body, Math.min(attemptMs, left));
          if (typeof answer === "string") {
            const value = understand(endpoint, path, answer, read);
            this.#prefer(endpoint);
            return value;
          }
          isReached = true;
          reasons.set(endpoint, `${endpoint}: ${answer.message}`);
          this.#isInDoubt ||= isChange;
        } catch (error) {
          if (error instanceof CniError) throw error;
          this.#isInDoubt ||= isChange;
          reasons.set(endpoint, messageOf(error));
          if (performance.now() - begun >= attemptMs) isReached = true;
        }
      }
      if (!isReached) unreached++;
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
    throw this.#unavailable(reasons);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  #unavailable(reasons: Map<string, string>): EtcdUnavailable {
    return new EtcdUnavailable(
      reasons.size > 0 ? reasons.values() : [`no time is left of ${this.#settings.timeoutMs} ms`],
    );
  }

  #prefer(endpoint: string): void {
    this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
  }

  /** Sends a request to one member, as the user. Returns the text of its answer, or its refusal. */
  async #ask(
    endpoint: string,
    path: string,
    body: JsonObject,
    timeoutMs: number,
  ): Promise<string | Refusal> {
    const { username } = this.#settings;
    if (username === undefined) {
      return this.#check(endpoint, await this.#post(endpoint, path, body, timeoutMs));
    }
    const known = readToken(endpoint, username);
    if (known !== undefined) {
      const answer = await this.#post(endpoint, path, body, timeoutMs, known);
      if (typeof answer === "string" || !isStale(answer)) return this.#check(endpoint, answer);
    }
    const token = await this.#authenticate(endpoint, username, timeoutMs);
    if (typeof token !== "string") return token;
    return this.#check(endpoint, await this.#post(endpoint, path, body, timeoutMs, token));
  }

  async #authenticate(
    endpoint: string,
    name: string,
    timeoutMs: number,
  ): Promise<string | Refusal> {
    const { password, passwordFile } = this.#settings;
    const path = "/v3/auth/authenticate";
    const answer = await this.#post(endpoint, path, {
      name,
      password: passwordFile === undefined
        ? password ?? ""
        : readFile("passwordFile", passwordFile).replace(/\r?\n$/, ""),
    }, timeoutMs);
    if (typeof answer !== "string") {
      // A cluster without authentication takes requests as they are.
      return answer.message.includes("authentication is not enabled")
        ? ""
        : this.#check(endpoint, answer);
    }
    const read = (text: string) => member(parseJson(text), "token");
    const token = understand(endpoint, path, answer, read);
    writeToken(endpoint, name, token);
    return token;
  }

  /** Passes an answer on. @throws {CniError} for a refusal that would come again at every try */
  #check(endpoint: string, answer: string | Refusal): string | Refusal {
    const error = typeof answer === "string"
      ? undefined
      : permanentError(answer, endpoint, this.#settings.username);
    if (error) throw error;
    return answer;
  }

  async #post(
    endpoint: string,
    path: string,
    body: JsonObject,
    timeoutMs: number,
    token = "",
  ): Promise<string | Refusal> {
    const { status, body: text } = await this.#http.post({
      url: `${endpoint}${path}`,
      headers: {
        "Content-Type": "application/json",
        ...token === "" ? {} : { Authorization: token },
      },
      body: encodeJson(body),
      timeoutMs,
    });
    return status === 200 ? text : refusalOf(status, text);
  }
}

/** Reads an answer. @throws {Error} saying what was asked, and what came that no etcd answers */
function understand<T>(endpoint: string, path: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    throw new Error(
      `${endpoint} answers POST ${path} with ${JSON.stringify(text.trim().slice(0, 200))}, not ` +
        `as etcd does (${messageOf(error)}); see that it is a client URL of etcd 3.4 or newer, ` +
        "whose JSON gateway is on (--enable-grpc-gateway)",
    );
  }
}

/** Returns a text of an answer. @throws {Error} when it has none by that name */
function member(answer: JsonValue, name: string): string {
  const value = isObject(answer) ? answer[name] : undefined;
  if (typeof value === "string") return value;
  throw new Error(`no ${JSON.stringify(name)}`);
}

/** Whether a token is no longer valid: etcd has forgotten it, or users were changed since. */
function isStale({ code, message }: Refusal): boolean {
  return code === Grpc.unauthenticated || message.includes("revision in header is old");
}

/** Reads an error: `{"error": …, "message": …, "code": …}`. */
function refusalOf(status: number, text: string): Refusal {
  try {
    const value = parseJson(text);
    if (isObject(value) && typeof value.code === "number") {
      return { code: value.code, message: String(value.message ?? value.error) };
    }
  } catch {
    // No JSON: it is no etcd, or too old to have this gateway.
  }
  return { code: -1, message: `HTTP status ${status}: ${text.trim().slice(0, 200)}` };
}

function readFile(key: string, path: string): string {
  try {
    return runtime.files.readText(path);
  } catch (error) {
    throw CniError.invalidConfig(`cannot read "${key}" of "etcd", ${path}: ${messageOf(error)}`);
  }
}
