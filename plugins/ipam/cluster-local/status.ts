import { readResolvConf } from "../../../lib/ipam/resolv_conf.ts";
import type { Call } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { markAlive } from "./alive.ts";
import { openSession } from "./call.ts";
import { absent, present } from "./etcd/transaction.ts";
import type { Options } from "./options.ts";
import { readRecord } from "./records.ts";
import { claimNode } from "./session.ts";
import { addressSets } from "./settings.ts";

/**
 * STATUS: expects that etcd answers and permits what an ADD does, that this node has its name, and
 * that ADD is open. A full pool is no error: the next DEL ends it.
 * @throws {CniError} code 50
 */
export async function status(call: Call<Options>): Promise<void> {
  const sets = addressSets(call);
  try {
    const { resolvConf } = call.options.ipam!;
    if (resolvConf) readResolvConf(resolvConf);
    using session = openSession(call);
    const { keys, node } = session;
    const [name, closed] = await session.read({ get: keys.node(node) }, { get: keys.closed });
    claimNode(session, name!.entries[0]);
    const [entry] = closed!.entries;
    const reason = session.regression ?? (entry && readRecord("closed", entry).reason);
    if (reason !== undefined) throw CniError.notAvailable(`ADD is closed: ${reason}`);
    // etcd checks permissions before the conditions, which never hold.
    const touched = [
      keys.node(node),
      `${keys.owners(node)}status`,
      ...new Set(sets.map(({ pool }) => `${keys.pool(pool).addresses}status`)),
    ];
    await session.transact({
      if: [absent(keys.closed), present(keys.closed)],
      then: touched.map((key) => ({ put: key, value: "" })),
    });
    await markAlive(session);
    await session.save();
  } catch (error) {
    const { message, details } = CniError.from(error);
    throw CniError.notAvailable(message, details);
  }
}
