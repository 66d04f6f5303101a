import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { CniError } from "../../types/error.ts";
import { atLeast } from "../../types/versions.ts";
import { addedRuntimeConf, describeAttached, factsOf, findTarget } from "../attachment.ts";
import { attempt } from "../attempt.ts";
import { findNetwork } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { ATTACHMENT_JSON, IFNAME, NETNS, NETWORK } from "../operands.ts";

/** `cnitool check` */
export const check: Command = {
  name: "check",
  operands: [NETWORK, NETNS],
  summary: "check that the attachment is as add left it",
  options: [IFNAME, JSON_OPTION],
  example: "cnitool check demo blue",
  json: `{ ${ATTACHMENT_JSON};
  checked: boolean;  // false where the network has disableCheck
  error?: Error }`,
  failing: ({ operands: [network, netns] }) => `check ${netns} on ${network}`,
  async run(line) {
    const network = findNetwork(line.operands[0]!);
    const target = findTarget(line, network.name, openCni());
    const rt = addedRuntimeConf(target);
    const facts = factsOf(network, rt);
    return await attempt(line, {
      what: `confirm ${rt.ifName} in ${rt.netns} on ${network.name}`,
      facts,
    }, async (progress) => {
      const cni = openCni(progress.plugin);
      const isChecked = !network.disableCheck && atLeast(network.cniVersion, "0.4.0");
      if (isChecked && !target.cached) {
        throw CniError.unknownContainer(
          `it was never attached, or is not any more; ${describeAttached(cni, network.name)}`,
        );
      }
      await cni.checkNetworkList(network, rt);
      print(line, { ...facts, checked: isChecked }, () => []);
    });
  },
};
