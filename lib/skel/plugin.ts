/**
 * A plugin is a value: its name, its options and what it does for each command. Reading the
 * environment and the configuration, validating them, printing exactly one result or error and
 * undoing a failed ADD are the same for all, and not its concern.
 *
 * @module
 */
import type { Attachment } from "../types/attachment.ts";
import type { NetConf } from "../types/config.ts";
import type { JsonObject } from "../types/json.ts";
import type { Result } from "../types/result.ts";
import type { Schema } from "../types/schema_type.ts";
import type { Repair } from "./repair.ts";
import type { ReservationBook } from "./reservations.ts";
import type { Undo } from "./undo.ts";

/** What every command is given. */
export interface BareCall {
  /** The fields that every configuration may have. */
  readonly config: NetConf;
  /** The whole configuration as it came, unknown keys included. */
  readonly raw: JsonObject;
  /** The same as text, for what parsing loses: a key that occurs twice. */
  readonly text: string;
  /** The environment of the call: CNI_* and whatever else the caller set. */
  readonly env: Readonly<Record<string, string>>;
}

/** What STATUS is given, and ADD and CHECK beside the attachment. */
export interface Call<O> extends BareCall {
  /** The plugin's own options, validated, with their defaults. */
  readonly options: O;
}

/**
 * What DEL is given: one interface of one container. The plugin's options are not read: a wrong or
 * changed one must not keep anything from being removed. A DEL goes by the attachment, by what ADD
 * noted, and where it has to by single options: `findText(raw, "bridge")`.
 */
export interface DelCall extends BareCall {
  /** What identifies the attachment: the network's name, CNI_CONTAINERID and CNI_IFNAME. */
  readonly attachment: Attachment;
  /** The container's ID: CNI_CONTAINERID. */
  readonly containerId: string;
  /** The interface's name inside the container. */
  readonly ifName: string;
  /**
   * CNI_NETNS. For a DEL "" where there is no container's namespace to work in; what is at the path
   * may also be gone, or no namespace any more: `NetNs.openIfPresent`.
   */
  readonly netns: string;
  /** CNI_ARGS as it came; see `readArgs`. */
  readonly args: string;
  /** What the plugins before this one did, in the newest version's form; a DEL may have none. */
  readonly prevResult?: Result;
}

/** What CHECK is given. `O` is the type of the plugin's own options. */
export interface AttachmentCall<O> extends DelCall, Call<O> {}

/** What ADD is given. */
export interface AddCall<O> extends AttachmentCall<O> {
  /** Takes back what ADD makes with it, should the ADD fail. */
  readonly undo: Undo;
}

/** What GC is given; the plugin's options are not read, as for {@link DelCall}. */
export interface GcCall extends BareCall {
  /** The attachments that are still in use. Everything else of this network may be removed. */
  readonly validAttachments: readonly Attachment[];
}

/** A handler may be asynchronous where it runs programs; what happens inside a namespace is not. */
export type Handler<C, R = void> = (call: C) => R | Promise<R>;

/** A plugin. Every command has a handler: leaving one out would be a silent success. */
export interface Plugin<O = unknown> {
  /** The executable's name, and a configuration's `type`. */
  readonly name: string;
  /** The versions of the specification it speaks; all of them when absent. */
  readonly versions?: readonly string[];
  /**
   * Makes the schema of its own options, where it has any; called only when they are read. A plugin
   * whose DEL has no use for that file either loads it here, by `import()`.
   */
  readonly options?: () => Schema<O> | Promise<Schema<O>>;
  /** Attaches. Returns the result in the newest version's form; it is converted for the caller. */
  readonly add: Handler<AddCall<O>, Result>;
  /** Detaches. Whatever is gone already is success. */
  readonly del: Handler<DelCall>;
  /** Throws when something is not as ADD left it. */
  readonly check: Handler<AttachmentCall<O>>;
  /** Throws code 50 or 51 when an ADD could not be served now. */
  readonly status: Handler<Call<O>>;
  /** Removes what belongs to none of the valid attachments. */
  readonly gc: Handler<GcCall>;
  /** Loads what lists and frees an IPAM plugin's addresses, which no CNI command needs. */
  readonly reservations?: () => Promise<ReservationBook<Call<O>>>;
  /** Finds what CHECK would refuse in an attachment and can be repaired, in the order to apply. */
  readonly repairs?: Handler<AttachmentCall<O>, readonly Repair[]>;
}

/** A plugin, whatever its options are. */
// deno-lint-ignore no-explicit-any -- its own code reads them, by its own schema
export type AnyPlugin = Plugin<any>;

/**
 * Defines a plugin; its handlers get options of the type that its schema reads.
 *
 * A plugin's `main.ts` exports it as default and ends with
 * `if (import.meta.main) await runPlugin(plugin);`
 */
export function definePlugin<O>(plugin: Plugin<O>): Plugin<O> {
  const { options } = plugin;
  if (!options) return plugin;
  let schema: ReturnType<typeof options> | undefined;
  // Made when it is first used, and once: a process that serves many calls has it from then on.
  return { ...plugin, options: () => schema ??= options() };
}
