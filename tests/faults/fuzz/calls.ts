/**
 * Plugins as executables, with configurations, previous results, arguments and environments that were
 * right once. There is one answer, soon; it is true; and what failed has left nothing.
 *
 * @module
 */
import fc from "fast-check";
import type { NetNs } from "../../../lib/ns/netns.ts";
import { ErrorCode } from "../../../lib/types/error.ts";
import { programPath } from "../../../scripts/support/files.ts";
import { mutatedJson, WORDS } from "../../support/faults/mutate.ts";
import type { FaultNetwork } from "../../support/faults/networks.ts";
import { expectSuccess, FaultRuntime } from "../../support/faults/runtime.ts";
import { checkSeeded, type Runs } from "../../support/faults/seeded.ts";
import { differences, type Snapshot, snapshot } from "../../support/faults/snapshot.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import type { PluginReply } from "../../support/plugins.ts";

/** What of a call is not as it should be. */
export type Aspect = "configuration" | "prevResult" | "environment" | "arguments";

/** A call: the configuration's text, and the environment; undefined takes a variable away. */
export interface FuzzedCall {
  command: "ADD" | "CHECK" | "DEL" | "GC" | "STATUS";
  input: string;
  env: Record<string, string | undefined>;
}

const CODES: readonly number[] = Object.values(ErrorCode);
/** Where calls run: what a relative path names is here. */
const DIRECTORY = "/run/test/cwd";
const VARIABLES = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH"];

/** A host with a living attachment, and a container with all of a network's plugins but the last. */
export class FuzzedHost {
  readonly #room: FaultRoom;
  readonly #network: FaultNetwork;
  readonly #netns: NetNs;
  readonly #prevResult: unknown;
  readonly #options: Record<string, unknown>;
  #before: Snapshot;

  constructor(room: FaultRoom, network: FaultNetwork) {
    this.#room = room;
    this.#network = network;
    Deno.mkdirSync(DIRECTORY);
    const runtime = new FaultRuntime(room, network);
    expectSuccess("ADD of the living one", runtime.add(runtime.container("living")));
    this.#options = network.attachment?.(room.sandbox, 2) ?? {};
    this.#netns = room.sandbox.container("subject");
    const earlier = network.plugins.slice(0, -1);
    if (earlier.length > 0) {
      const chain = new FaultRuntime(room, { id: network.id, plugins: earlier });
      const attachment = { containerId: "subject", netns: this.#netns, options: {} };
      this.#prevResult = expectSuccess("ADD of the chain", chain.add(attachment)).json;
    }
    this.#before = this.#snapshot();
  }

  /** The configuration of the last plugin, as it is right. */
  get config(): Record<string, unknown> {
    return {
      ...{ cniVersion: "1.1.0", name: this.#room.network, ...this.#network.plugins.at(-1)! },
      ...this.#options,
      ...(this.#prevResult ? { prevResult: this.#prevResult } : {}),
    };
  }

  /** Makes calls, and looks at what they did. @throws {Error} where one did not behave */
  run(calls: readonly FuzzedCall[]): void {
    const isAttached = this.#makeAll(calls);
    const left = this.#takeLeft();
    if (left.length === 0) return;
    if (!isAttached) throw new Error(`failed calls left:\n  ${left.join("\n  ")}`);
    // What all attachments share stays; whatever is made for each attachment would be there twice.
    this.#makeAll(calls);
    const more = this.#takeLeft();
    if (more.length > 0) throw new Error(`each ADD and DEL left:\n  ${more.join("\n  ")}`);
  }

  /** Makes calls. Returns whether any attached something. */
  #makeAll(calls: readonly FuzzedCall[]): boolean {
    let isAttached = false;
    for (const call of calls) if (this.#make(call)) isAttached = true;
    return isAttached;
  }

  #make(call: FuzzedCall): boolean {
    const reply = this.#execute(call);
    const command = variableOf(call, "CNI_COMMAND") ?? "none";
    const isWell = expectOneAnswer(command, reply);
    this.#room.count(`${call.command} ${isWell ? "succeeded" : "refused"}`);
    if (command !== "ADD" || !isWell) return false;
    if (reply.json === undefined) throw new Error(`ADD succeeded without a result`);
    if (this.#network.plugins.length === 1) this.#expectResult(reply.json);
    const removal = { ...call, env: { ...call.env, CNI_COMMAND: "DEL" } };
    expectSuccess("DEL of what ADD made", this.#execute(removal));
    return true;
  }

  #execute({ command, input, env }: FuzzedCall): PluginReply {
    const file = "/run/test/fuzzed";
    Deno.writeTextFileSync(file, input);
    const all: Record<string, string | undefined> = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "subject",
      CNI_IFNAME: "eth0",
      CNI_NETNS: this.#netns.path,
      CNI_PATH: this.#room.bin,
      PATH: programPath(),
      ...env,
    };
    const given = Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value.replaceAll("\0", "").toWellFormed()]]
    );
    const type = String(this.#network.plugins.at(-1)!.type);
    const output = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        'exec "$0" -s KILL 10 "$@" </run/test/fuzzed',
        "/usr/bin/timeout",
        `${this.#room.bin}/${type}`,
      ],
      cwd: DIRECTORY,
      env: Object.fromEntries(given),
      clearEnv: true,
      stdin: "null",
    }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const [stdout, stderr] = [text(output.stdout), text(output.stderr)];
    return { code: output.code, stdout, stderr, json: undefined };
  }

  /** Expects that a result's interfaces are there, with its addresses. */
  // deno-lint-ignore no-explicit-any -- a result
  #expectResult({ interfaces = [], ips = [] }: any): void {
    const { sandbox } = this.#room;
    for (const [i, { name, mac, sandbox: path }] of interfaces.entries()) {
      const netns = path ? this.#netns : undefined;
      const link = sandbox.ip("address show", netns).find(({ ifname }) => ifname === name);
      const where = `interface ${name} of the result`;
      if (!link) throw new Error(`${where} is not there`);
      if (mac && link.link_type === "ether" && link.address !== mac) {
        throw new Error(`${where} has ${link.address}, not ${mac}`);
      }
      for (const { address, interface: index } of ips) {
        if (index !== i) continue;
        const own = link.addr_info.map((each: { local: string; prefixlen: number }) =>
          `${each.local}/${each.prefixlen}`
        );
        if (!own.includes(address)) throw new Error(`${where} has ${own}, not ${address}`);
      }
    }
  }

  #snapshot(): Snapshot {
    return snapshot(this.#room.sandbox, { subject: this.#netns });
  }

  /** What is there otherwise than it was when this was last asked. */
  #takeLeft(): string[] {
    const before = this.#before;
    this.#before = this.#snapshot();
    return differences(before, this.#before)
      .filter((line) => !/^left (directory|file \S+\/(lock|last_reserved_ip\.\d+):)/.test(line));
  }
}

function variableOf({ command, env }: FuzzedCall, name: string): string | undefined {
  return name in env ? env[name] : name === "CNI_COMMAND" ? command : undefined;
}

/**
 * Expects one document, and an exit status that goes with it. Returns whether it was a success, and
 * puts the document into the reply.
 */
export function expectOneAnswer(command: string, reply: PluginReply): boolean {
  const { code, stdout, stderr } = reply;
  const fail = (what: string) => {
    throw new Error(`${what}; exit status ${code}, stdout ${stdout.slice(0, 600)}\n${stderr}`);
  };
  if (code === 137) fail(`${command} had no end in 10 s`);
  if (code !== 0 && code !== 1) fail(`${command} ended oddly`);
  if (/^\s+at .*:\d+/m.test(stdout)) fail("a stack trace on standard output");
  if (code === 0 && stdout === "") return true;
  try {
    reply.json = JSON.parse(stdout);
  } catch {
    fail("standard output is not one document");
  }
  const { json } = reply;
  if (typeof json !== "object" || json === null || Array.isArray(json)) fail("no object");
  const isError = "code" in json || "msg" in json;
  if (isError !== (code === 1)) fail("the document and the exit status do not agree");
  if (!isError) return true;
  if (typeof json.msg !== "string" || json.msg === "") fail("an error without a message");
  // From 100 on codes are a plugin's own.
  if (!CODES.includes(json.code) && !(json.code >= 100 && json.code < 110)) fail("an unknown code");
  if (json.msg.includes("by a mistake of its own")) fail("a defect");
  return false;
}

const command = fc.constantFrom(...["ADD", "ADD", "ADD", "CHECK", "DEL", "GC", "STATUS"] as const);

/** Calls that are wrong in one aspect. @param config the right configuration */
export function fuzzedCalls(
  aspect: Aspect,
  config: Record<string, unknown>,
): fc.Arbitrary<FuzzedCall> {
  const input = JSON.stringify(config);
  switch (aspect) {
    case "configuration":
      return fc.record({ command, input: mutatedJson(config), env: fc.constant({}) });
    case "prevResult": {
      const { prevResult = { cniVersion: "1.1.0", interfaces: [], ips: [] }, ...rest } = config;
      const inner = JSON.stringify(rest).slice(0, -1);
      return fc.record({
        command,
        input: mutatedJson(prevResult).map((text) => `${inner},"prevResult":${text}}`),
        env: fc.constant({}),
      });
    }
    case "environment": {
      const value = fc.option(fc.constantFrom(...WORDS), { nil: undefined, freq: 5 });
      const changes = fc.array(fc.tuple(fc.constantFrom(...VARIABLES), value), {
        minLength: 1,
        maxLength: 2,
      });
      return fc.record({
        command,
        input: fc.constant(input),
        env: changes.map(Object.fromEntries),
      });
    }
    case "arguments": {
      const keys = ["IP", "MAC", "GATEWAY", "IgnoreUnknown", "K8S_POD_NAME", "", "ip", ...WORDS];
      const pair = fc.tuple(
        fc.constantFrom(...keys),
        fc.constantFrom("=", "", "=="),
        fc.constantFrom("1", "true", ...WORDS),
      ).map((parts) => parts.join(""));
      const list = fc.array(pair, { minLength: 1, maxLength: 4 })
        .map((pairs) => ({ CNI_ARGS: pairs.join(";") }));
      return fc.record({ command, input: fc.constant(input), env: list });
    }
  }
}

/** Makes calls of a network's last plugin that are wrong in one aspect. */
export async function fuzzCalls(
  room: FaultRoom,
  network: FaultNetwork,
  aspect: Aspect,
  runs: Runs,
): Promise<void> {
  const host = new FuzzedHost(room, network);
  const calls = fc.array(fuzzedCalls(aspect, host.config), {
    minLength: 1,
    maxLength: 16,
    size: "max",
  });
  await checkSeeded(room, calls, (list) => host.run(list), runs);
}
