/**
 * Restores the values of a backup.
 *
 * @module
 */
import { isNewerContainers } from "../../../lib/attach/owner.ts";
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import { ifPresent } from "../../../lib/runtime/errors.ts";
import { runtime } from "../../../lib/runtime/mod.ts";
import type { DelCall } from "../../../lib/skel/plugin.ts";
import { runAll } from "../../../lib/skel/run_all.ts";
import { type Backup, readBackup, removeBackup, replaceBackup } from "./backup.ts";
import { changeLink } from "./link.ts";
import { setAll } from "./sysctls.ts";

/**
 * Restores the values of an attachment's backup, and removes it, even where that fails. A backup
 * that cannot be read is named on standard error, and removed.
 * @param directory where backups are kept
 */
export async function restore(call: DelCall, directory: string): Promise<void> {
  const { attachment } = call;
  const backup = readBackup(directory, attachment);
  await runAll(
    () => backup && restoreValues(call, backup),
    () => removeBackup(directory, attachment),
  );
}

/**
 * Undoes an ADD: restores the values from before it, and the backup of an earlier ADD.
 * @param directory where backups are kept
 * @param before the values from before the ADD
 * @param earlier what `writeBackup` returned
 */
export async function takeBack(
  call: DelCall,
  directory: string,
  before: Backup,
  earlier: Backup | undefined,
): Promise<void> {
  const { attachment } = call;
  await runAll(
    () => restoreValues(call, before),
    () => {
      if (earlier) replaceBackup(directory, attachment, earlier);
      else removeBackup(directory, attachment);
    },
  );
}

async function restoreValues(
  call: DelCall,
  { link: settings, hostMtu, sysctl }: Backup,
): Promise<void> {
  using sandbox = NetNs.openIfPresent(call.netns);
  if (!sandbox) return; // what was changed is gone with the namespace
  using inside = Rtnl.open(sandbox);
  const link = inside.link.find(call.ifName);
  if (link && isNewerContainers(call, sandbox, link)) return;
  const order = ["mtu", "mac", "promisc", "allmulti", "txQLen"] as const;
  await runAll(
    ...order.map((key) => () => {
      if (link) changeLink(inside, link, settings, [key]);
    }),
    () => {
      if (!link || hostMtu === undefined) return;
      using host = Rtnl.open();
      const end = findHostEnd(host, sandbox, link);
      if (end) host.link.set(end, { mtu: hostMtu });
    },
    // In reverse order: some parameters change others.
    ...Object.entries(sysctl).reverse().map((entry) => () => {
      sandbox.run(() => {
        const present = ifPresent(() => runtime.files.stat(`/proc/sys/${entry[0]}`));
        if (present) setAll([entry]);
      });
    }),
  );
}
