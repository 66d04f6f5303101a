/**
 * tuning changes an interface that another plugin made, and sysctls of its namespace.
 *
 * Made, in this order: the file with the values that were there before, the sysctls, the
 * interface's settings. Undone: every one of those values is set again, then the file goes.
 *
 * @module
 */
import { NetNs } from "../../../lib/ns/netns.ts";
import type { Link, LinkChanges } from "../../../lib/rtnl/link.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import { removeWritten } from "../../../lib/runtime/write_atomic.ts";
import { type AddCall, type AttachmentCall, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { checkAllowed } from "./allow_list.ts";
import { backupPath, readBackup, removeStaleBackups, writeBackup } from "./backup.ts";
import {
  dataDirectory,
  type LinkSettings,
  type Options,
  options,
  readSysctls,
  readTuning,
} from "./config.ts";
import { currentValues, expectSysctls, setAll } from "./sysctls.ts";

const tuning = definePlugin<Options>({
  name: "tuning",
  options,
  add,

  async del(call) {
    await restore(call, dataDirectory(call.options));
  },

  check(call) {
    requirePrevResult(call);
    const { sysctls, link: wanted } = readTuning(call);
    using sandbox = NetNs.open(call.netns);
    using inside = Rtnl.open(sandbox);
    sandbox.run(() => expectSysctls(sysctls));
    if (changesLink(wanted)) expectLink(inside.link.get(call.ifName), wanted);
  },

  status(call) {
    try {
      checkAllowed(readSysctls(call, "IFNAME"));
      expectDirectory(dataDirectory(call.options));
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  gc({ config, options, validAttachments }) {
    removeStaleBackups(dataDirectory(options), config.name, validAttachments);
  },
});

function add(call: AddCall<Options>): Result {
  const prevResult = requirePrevResult(call);
  const { sysctls, link: wanted } = readTuning(call);
  const directory = dataDirectory(call.options);
  checkAllowed(sysctls);
  using sandbox = NetNs.open(call.netns);
  using inside = Rtnl.open(sandbox);
  if (sysctls.length === 0 && !changesLink(wanted)) return prevResult;

  const link = changesLink(wanted) ? inside.link.get(call.ifName) : undefined;
  const sysctl = sandbox.run(() => currentValues(sysctls));
  const before = link ? currentSettings(link, wanted) : {};
  call.undo.step(
    "the tuned values", // of which the backup is the first trace
    () =>
      writeBackup(backupPath(directory, call.attachment), {
        link: before,
        sysctl,
        network: call.config.name,
      }),
    () => restore(call, directory),
  );

  sandbox.run(() => setAll(sysctls.map(({ path, value }) => [path, value])));
  if (!link) return prevResult;
  changeLink(inside, link, wanted, ["mac", "promisc", "mtu", "allmulti", "txQLen"]);
  return updateResult(prevResult, call.ifName, wanted);
}

/** Sets everything that the backup holds again, and removes the backup, even where that fails. */
async function restore(call: AttachmentCall<Options>, directory: string): Promise<void> {
  const path = backupPath(directory, call.attachment);
  await runAll(
    async () => {
      const backup = readBackup(path);
      using sandbox = backup && NetNs.openIfUsable(call.netns);
      if (!backup || !sandbox) return; // what was changed is gone with the namespace
      using inside = Rtnl.open(sandbox);
      const link = inside.link.find(call.ifName);
      const settings = ["mtu", "mac", "promisc", "allmulti", "txQLen"] as const;
      await runAll(
        ...settings.map((key) => () => {
          if (link) changeLink(inside, link, backup.link, [key]);
        }),
        // Last changed, first restored: some set others.
        ...Object.entries(backup.sysctl).reverse().map((entry) => () => {
          sandbox.run(() => {
            const present = ifPresent(() => runtime.files.stat(`/proc/sys/${entry[0]}`));
            if (present) setAll([entry]);
          });
        }),
      );
    },
    () => removeWritten(path),
  );
}

function changesLink(wanted: LinkSettings): boolean {
  return Object.values(wanted).some((value) => value !== undefined);
}

/** What an interface has now of the settings that are to change. */
function currentSettings(link: Link, wanted: LinkSettings): LinkSettings {
  const all: LinkSettings = {
    mac: link.address,
    promisc: link.promisc,
    mtu: link.mtu,
    allmulti: link.allmulti,
    txQLen: link.txqlen,
  };
  // An interface without hardware address has none to go back to.
  const changed = Object.entries(all).filter(([key, value]) =>
    wanted[key as keyof LinkSettings] !== undefined && value !== ""
  );
  return Object.fromEntries(changed);
}

/** One request per setting, so that an error names the one that was refused. */
function changeLink(
  inside: Rtnl,
  link: Link,
  wanted: LinkSettings,
  order: readonly (keyof LinkSettings)[],
): void {
  const { mac, promisc, mtu, allmulti, txQLen } = wanted;
  const changes: Record<keyof LinkSettings, LinkChanges> = {
    mac: { address: mac },
    promisc: { promisc },
    mtu: { mtu },
    allmulti: { allmulti },
    txQLen: { txqlen: txQLen },
  };
  for (const key of order) {
    if (wanted[key] !== undefined) inside.link.set(link, changes[key]);
  }
}

/** @throws {CniError} code 999 naming the first setting that is another */
function expectLink(link: Link, wanted: LinkSettings): void {
  const current = currentSettings(link, wanted);
  for (const [key, value] of Object.entries(wanted) as [keyof LinkSettings, unknown][]) {
    if (value === undefined || current[key] === value) continue;
    throw CniError.internal(
      `Error: Tuning configured ${key} of ${link.name} is ${value}, current value is ${
        current[key]
      }`,
    );
  }
}

/** The interface in the container as it is now. */
function updateResult(result: Result, ifName: string, { mac, mtu }: LinkSettings): Result {
  const interfaces = result.interfaces?.map((entry) =>
    entry.name !== ifName || !entry.sandbox ? entry : {
      ...entry,
      ...(mac ? { mac } : {}),
      ...(mtu && entry.mtu ? { mtu } : {}),
    }
  );
  return { ...result, interfaces };
}

/** The directory, or what it would be made in, is one. */
function expectDirectory(path: string): void {
  const info = ifPresent(() => runtime.files.stat(path));
  if (!info || info.isDirectory) return;
  throw CniError.io(`"dataDir" is ${JSON.stringify(path)}, which is not a directory`);
}

export default tuning;

if (import.meta.main) await runPlugin(tuning);
