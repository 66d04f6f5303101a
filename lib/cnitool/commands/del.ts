import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { cachedNetwork } from "../../libcni/cni.ts";
import { addedRuntimeConf, describeAttached, factsOf, findTarget } from "../attachment.ts";
import { attempt } from "../attempt.ts";
import { findNetworkOrCached } from "../network.ts";
import { openCni, warn } from "../open_cni.ts";
import { ATTACHMENT_JSON, IFNAME, NETNS, NETWORK } from "../operands.ts";

/** `cnitool del` */
export const del: Command = {
  name: "del",
  operands: [NETWORK, NETNS],
  summary: "detach the namespace from the network",
  description:
    `The plugins are called that the network had when the namespace was attached to it, whatever its
configuration says by now.`,
  options: [IFNAME, JSON_OPTION],
  example: "cnitool del demo blue",
  json: `{ ${ATTACHMENT_JSON};
  wasAttached: boolean;  // false: nothing was known of it, the plugins were called all the same
  error?: Error }`,
  failing: ({ operands: [network, netns] }) => `detach ${netns} from ${network}`,
  async run(line) {
    const found = findNetworkOrCached(line.operands[0]!, openCni());
    const target = findTarget(line, found.name, openCni());
    const rt = addedRuntimeConf(target);
    const network = (target.cached && cachedNetwork(target.cached)) ?? found;
    const facts = { ...factsOf(network, rt), wasAttached: target.cached !== undefined };
    return await attempt(line, {
      what: `detach ${rt.ifName} in ${rt.netns} from ${network.name}`,
      facts,
      remedy: () => "once that is put right, the same command: what is gone is passed over",
    }, async (progress) => {
      const cni = openCni(progress.plugin);
      await cni.delNetworkList(network, rt);
      if (!target.cached) {
        warn(
          `${rt.ifName} in ${rt.netns} was not known to be attached to ${network.name}: its plugins ` +
            `were told to remove it all the same; ${describeAttached(cni, network.name)}`,
        );
      }
      print(line, facts, () => []);
    });
  },
};
