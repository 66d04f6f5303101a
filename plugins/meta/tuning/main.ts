/**
 * tuning changes an interface that another plugin made, and sysctls of its namespace. A veth pair's
 * MTU is changed at both ends.
 *
 * Made, in this order: the file with the values that were there before, the sysctls, the
 * interface's settings. Undone: every one of those values is set again, then the file goes.
 *
 * @module
 */
import { NetNs } from "../../../lib/ns/netns.ts";
import { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { findHostEnd } from "../../../lib/rtnl/veth.ts";
import { requirePrivileges } from "../../../lib/rtnl/privileges.ts";
import { type AddCall, type AnyPlugin, definePlugin } from "../../../lib/skel/plugin.ts";
import { requirePrevResult } from "../../../lib/skel/prev_result.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import type { Result } from "../../../lib/types/result.ts";
import { checkAllowed } from "./allow_list.ts";
import { removeStaleBackups, requireBackups, writeBackup } from "./backup.ts";
import {
  backupDirectory,
  dataDirectory,
  type Options,
  options,
  readSysctls,
  readTuning,
} from "./config.ts";
import { changeLink, changesLink, currentSettings, expectLink, updateResult } from "./link.ts";
import { repairs } from "./repair.ts";
import { restore, takeBack } from "./restore.ts";
import { currentValues, expectSysctls, setAll } from "./sysctls.ts";

const tuning: AnyPlugin = definePlugin<Options>({
  name: "tuning",
  options,
  add,

  async del(call) {
    await restore(call, backupDirectory(call.raw));
  },

  check(call) {
    requirePrevResult(call);
    const { sysctls, link: wanted } = readTuning(call);
    using sandbox = NetNs.open(call.netns);
    using inside = Rtnl.open(sandbox);
    sandbox.run(() => expectSysctls(sysctls));
    if (changesLink(wanted)) expectLink(inside.link.get(call.ifName), wanted);
  },

  repairs,

  status(call) {
    requirePrivileges();
    try {
      checkAllowed(readSysctls(call, "IFNAME"));
      requireBackups(dataDirectory(call.options));
    } catch (error) {
      throw CniError.notAvailable(CniError.from(error).message);
    }
  },

  gc({ config, raw, validAttachments }) {
    removeStaleBackups(backupDirectory(raw), config.name, validAttachments);
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
  using host = Rtnl.open();
  const hostEnd = link && wanted.mtu ? findHostEnd(host, sandbox, link) : undefined;
  const backup = { link: before, hostMtu: hostEnd?.mtu, sysctl, network: call.config.name };
  call.undo.step(
    "the tuned values", // of which the backup is the first trace
    () => writeBackup(directory, call.attachment, backup),
    (earlier) => takeBack(call, directory, backup, earlier),
  );

  sandbox.run(() => setAll(sysctls.map(({ path, value }) => [path, value])));
  if (!link) return prevResult;
  changeLink(inside, link, wanted, ["mac", "promisc", "mtu", "allmulti", "txQLen"]);
  if (hostEnd) host.link.set(hostEnd, { mtu: wanted.mtu });
  return updateResult(prevResult, call.ifName, wanted);
}

export default tuning;

if (import.meta.main) await runPlugin(tuning);
