/**
 * firewall accepts a container's packets where the host forwards no others, and isolates bridges by
 * its policy. It is chained after the plugin that gave the container its address, and returns that
 * plugin's result.
 *
 * Made, in this order: a note on disk of the rules; the rules. Undone: the rules, unless another
 * attachment needs them, unused chains, the note. `cni firewall-reload` restores rules from the
 * note, and a DEL without prevResult reads it.
 *
 * @module
 */
import { withBackend } from "../../../lib/firewall/backend.ts";
import type { Backend } from "../../../lib/firewall/backend_names.ts";
import {
  applyFilter,
  gcFilter,
  missingOfFilter,
  revokeFilter,
} from "../../../lib/firewall/filter/mod.ts";
import { filterNotes } from "../../../lib/firewall/filter/notes.ts";
import type { FilterEntry } from "../../../lib/firewall/filter/types.ts";
import { warn } from "../../../lib/runtime/caller.ts";
import {
  type AddCall,
  type AnyPlugin,
  type AttachmentCall,
  definePlugin,
  type DelCall,
} from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { versionsFrom } from "../../../lib/types/versions.ts";
import { requireFilter, usesFirewalld } from "./backend.ts";
import { policyOf, unknownBackend } from "./config.ts";
import type { Options } from "./options.ts";
import { addressesOf, entryOf } from "./entry.ts";

/** What few commands or configurations ask for is loaded where it is asked for. */
const loadBridgePorts = () => import("./bridge_ports.ts");
const loadWithoutNote = () => import("./without_note.ts");
const loadPrivileges = () => import("../../../lib/rtnl/privileges.ts");

const firewall: AnyPlugin = definePlugin<Options>({
  name: "firewall",
  versions: versionsFrom("0.4.0"),
  // DEL is given none.
  options: async () => (await import("./options.ts")).options(),
  add,
  del: revoke,
  check,

  async status({ options }) {
    (await loadPrivileges()).requirePrivileges();
    await requireFilter(options);
  },

  async gc({ config, validAttachments }) {
    await gcFilter(config.name, validAttachments);
  },
});

async function add(call: AddCall<Options>): Promise<Result> {
  const { undo, options, raw } = call;
  const prevResult = requirePrevResult(call);
  const unknown = unknownBackend(raw);
  if (unknown) warn(`"backend": ${JSON.stringify(unknown)} is unknown; as good as none\n`);
  const hadRules = filterNotes().has(call.attachment);
  const earlier = hadRules ? filterNotes().readLiving(call.attachment) : undefined;
  await undo.step(
    "the firewall's rules",
    () => apply(call, prevResult),
    () => earlier ? applyFilter(earlier) : revoke(call),
    { ambiguous: earlier !== undefined || !hadRules },
  );
  if (policyOf(options) === "isolated") (await loadBridgePorts()).isolatePorts(prevResult, undo);
  return prevResult;
}

async function apply(call: AddCall<Options>, prevResult: Result): Promise<void> {
  const { options } = call;
  const zoned = await usesFirewalld(options);
  const applyWith = (chosen: Backend) =>
    applyFilter(entryOf(call, prevResult, zoned ? "firewalld" : chosen, chosen));
  if (zoned && policyOf(options) === "open") return await applyWith("iptables");
  const { backend } = options;
  const wanted = backend === "firewalld" ? undefined : backend || undefined;
  await withBackend(wanted, addressesOf(prevResult).map(({ family }) => family), applyWith);
}

async function revoke(call: DelCall): Promise<void> {
  await revokeFilter(call.attachment, async () => {
    const { removalWithoutNote } = await loadWithoutNote();
    return await removalWithoutNote(call);
  });
}

async function check(call: AttachmentCall<Options>): Promise<void> {
  const prevResult = requirePrevResult(call);
  const noted = filterNotes().read(call.attachment);
  if (!noted) {
    const { expectedWithoutNote } = await loadWithoutNote();
    return await expectAny(await expectedWithoutNote(call, prevResult));
  }
  const { backend, enforcer, ignoresPublished } = noted;
  const entry = { ...entryOf(call, prevResult, backend, enforcer), ignoresPublished };
  await expectAny([entry]);
  // The Go plugins leave no note, and isolate no port.
  if (noted.policy === "isolated") (await loadBridgePorts()).expectIsolatedPorts(prevResult);
}

/**
 * Expects the rules of one of `entries`.
 * @throws {CniError} code 999 where something is missing for each of `entries`
 */
async function expectAny(entries: readonly FilterEntry[]): Promise<void> {
  const reports: string[] = [];
  for (const entry of entries) {
    const missing = await missingOfFilter(entry);
    if (!missing) return;
    reports.push(missing);
  }
  throw CniError.internal(`expected rule not found: ${reports.join("; and ")}`);
}

export default firewall;

if (import.meta.main) await runPlugin(firewall);
