/**
 * The life of an attachment: VERSION, STATUS, ADD, CHECK, GC and DEL, by one implementation or two,
 * on a host of its own.
 *
 * @module
 */
import type { NetNs } from "../../../lib/ns/netns.ts";
import { plugin, type PluginCall, type PluginReply, tryPlugin } from "../plugins.ts";
import { snapshot } from "../faults/snapshot.ts";
import { newestGoPlugins } from "../requirements.ts";
import { inSandbox, type Sandbox } from "../sandbox.ts";
import type { Configuration } from "./configurations.ts";
import { factsOf, flat, plain } from "./facts.ts";
import type { Subject } from "./subjects.ts";

/** Directories of executables: whose ADD it is, and whose the calls after it. */
export interface Actors {
  readonly add: string;
  readonly rest: string;
}

/** What a call ended with. */
export interface Ending {
  readonly code: number;
  /** The error's code; undefined for a success, and for what is no error object. */
  readonly error?: number;
  /** What it printed. */
  readonly said: string;
}

/** What has been seen of an attachment's life. */
export interface Life {
  readonly status: Ending;
  /** What there was before ADD. */
  readonly before: readonly string[];
  readonly add: Ending;
  /** The result, a line for each value. */
  readonly result: readonly string[];
  /** The result as it was printed. */
  readonly text: string;
  /** What there is after ADD; CHECK, and a GC by which the attachment stays, change nothing. */
  readonly made: readonly string[];
  /** What comes after an ADD that succeeded. */
  readonly rest?: {
    readonly check: Ending;
    readonly gc: Ending;
    readonly del: Ending;
    /** What there is after DEL. */
    readonly left: readonly string[];
  };
}

/** When it is looked at what there is. */
export interface Looks {
  /** Before ADD. */
  readonly before?: boolean;
  /** After ADD. */
  readonly made?: boolean;
}

/** A name that both implementations hash alike. */
const NETWORK = "net";

/** Lives through an attachment. */
export async function live(
  subject: Subject,
  configuration: Configuration,
  actors: Actors,
  looks: Looks,
): Promise<Life> {
  let life: Life | undefined;
  await inSandbox((sandbox) => {
    life = liveIn(sandbox, subject, configuration, actors, looks);
  });
  return life!;
}

function liveIn(
  sandbox: Sandbox,
  subject: Subject,
  { cniVersion, options, cniArgs }: Configuration,
  { add: first, rest }: Actors,
  looks: Looks,
): Life {
  // Where a path in a configuration is none from the root, it begins here.
  Deno.chdir(sandbox.directory);
  subject.host?.(sandbox);
  using netns = sandbox.container("subject");
  subject.container?.(sandbox, netns);
  const common = { cniVersion, name: NETWORK };
  const previous = subject.before
    ? { prevResult: before(sandbox, netns, { ...common, ...subject.before }) }
    : {};
  const config = { ...common, ...options, type: subject.plugin };
  const call = (command: PluginCall["command"], bin: string, more: Record<string, unknown>) =>
    tryPlugin(sandbox, {
      command,
      config: { ...config, ...more },
      netns,
      bin,
      args: cniArgs,
      containerId: "subject",
    });
  // What the configuration says, a result repeats.
  const keep = JSON.stringify(config) + cniArgs;
  const observe = () => factsOf(snapshot(sandbox, { container: netns }, { isExact: true }), keep);
  const status = call("STATUS", rest, {});
  const start = looks.before ? observe() : [];
  const add = call("ADD", first, previous);
  const begun = { status: ending(status), before: start, add: ending(add) };
  if (add.code !== 0) {
    return { ...begun, result: [], text: "", made: looks.made ? observe() : [] };
  }
  const result = { prevResult: add.json };
  const check = call("CHECK", rest, result);
  const valid = [{ containerID: "subject", ifname: "eth0" }];
  const gc = call("GC", rest, { "cni.dev/valid-attachments": valid });
  const made = looks.made ? observe() : [];
  const del = call("DEL", rest, result);
  return {
    ...begun,
    result: flat(add.json).map((line) => plain(line, keep)),
    text: plain(add.stdout, keep),
    made,
    rest: { check: ending(check), gc: ending(gc), del: ending(del), left: observe() },
  };
}

/** The plugin before it is Go's in any case: what it makes is not what is compared. */
function before(
  sandbox: Sandbox,
  netns: NetNs,
  config: Record<string, unknown>,
): unknown {
  const bin = newestGoPlugins();
  return plugin(sandbox, { command: "ADD", config, netns, bin, containerId: "subject" });
}

function ending({ code, stdout, stderr, json }: PluginReply): Ending {
  const error = code === 0 ? undefined : json?.code;
  return { code, ...error === undefined ? {} : { error }, said: `${stdout}${stderr}`.trim() };
}
