import { Cidr } from "../../../lib/ip/cidr.ts";
import type { AttachmentCall } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { attachmentOf, openSession } from "./call.ts";
import { describeHolder } from "./holders.ts";
import type { Options } from "./options.ts";
import { readRecord } from "./records.ts";
import { addressSets } from "./settings.ts";

/**
 * CHECK: expects a record of the attachment, and of every address that the previous result has of
 * the configured sets a record by the same ADD.
 * @throws {CniError} code 999; 11 when etcd does not answer
 */
export async function check(call: AttachmentCall<Options>): Promise<void> {
  const sets = addressSets(call);
  using session = openSession(call);
  const { keys, node } = session;
  const attachment = attachmentOf(call, node);
  const expected = (call.prevResult?.ips ?? []).flatMap(({ address }) => {
    const ip = Cidr.tryParse(address)?.ip;
    const set = ip && sets.find(({ ranges }) => ranges.rangeOf(ip));
    return ip && set ? [{ ip, key: keys.pool(set.pool).address(ip) }] : [];
  });
  const [owner, ...holders] = await session.read(
    { get: keys.owner(attachment) },
    ...expected.map(({ key }) => ({ get: key })),
  );
  const [entry] = owner!.entries;
  if (!entry) {
    throw CniError.internal(
      `cluster-local: Failed to find address added by container ${call.containerId} for interface ` +
        `${call.ifName} on node ${node}`,
    );
  }
  const { nonce, addresses } = readRecord("owner", entry);
  for (const [index, { ip }] of expected.entries()) {
    const [found] = holders[index]!.entries;
    const holder = found && readRecord("address", found);
    if (holder?.nonce === nonce) continue;
    throw CniError.internal(
      `cluster-local: ${ip} of prevResult is ${
        holder ? `held by ${describeHolder(holder)}` : "not reserved"
      }; container ${call.containerId}, interface ${call.ifName} holds ${
        addresses.map(({ address }) => address).join(", ")
      }`,
    );
  }
}
