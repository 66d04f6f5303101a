import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { attempt } from "../attempt.ts";
import { findNetworkOrCached } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK, UNUSED_NETNS } from "../operands.ts";
import { readValid } from "../valid_attachments.ts";

/** `cnitool gc` */
export const gc: Command = {
  name: "gc",
  operands: [NETWORK, UNUSED_NETNS],
  summary: "delete the network's attachments that are not valid any more",
  options: [
    {
      name: "keep",
      value: "CONTAINERID:IFNAME",
      repeated: true,
      help: "a valid attachment; may be given often. NETNS:IFNAME does too",
    },
    {
      name: "valid",
      value: "FILE",
      help: 'what is valid, as JSON: [{"containerID": "…", "ifname": "…"}]; - for stdin',
      completes: "file",
    },
    { name: "all", help: "nothing is valid: delete every attachment" },
    JSON_OPTION,
  ],
  example: "cnitool gc demo --keep blue:eth0 --keep green:eth0",
  json: `{ network: string;
  disableGC: boolean;  // true: the network wants nothing to be deleted
  deleted: string[];  // CONTAINERID:IFNAME
  error?: Error }`,
  failing: ({ operands: [network] }) => `clean up ${network}`,
  async run(line) {
    const network = findNetworkOrCached(line.operands[0]!, openCni());
    const { name, disableGC } = network;
    const valid = readValid(network.name, line, openCni());
    return await attempt(line, {
      what: `clean up ${name}`,
      facts: { network: name, disableGC },
    }, async (progress) => {
      const cni = openCni(progress.plugin);
      const stale = disableGC ? [] : cni.staleAttachments(network, valid);
      await cni.gcNetworkList(network, valid);
      const deleted = stale.map(({ containerId, ifName }) => `${containerId}:${ifName}`);
      print(line, { network: name, disableGC, deleted }, () => {
        if (disableGC) return [`${name} has disableGC: nothing was done`];
        if (deleted.length === 0) return [`${name}: no attachment had to be deleted`];
        return deleted.map((attachment) => `${name}: deleted ${attachment}`);
      });
    });
  },
};
