import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { printText } from "../../cli/output.ts";
import { printNetworkResult } from "../../libcni/network_result.ts";
import { runtime } from "../../runtime/mod.ts";
import { encodeJson } from "../../types/json.ts";
import { factsOf, findTarget, newRuntimeConf } from "../attachment.ts";
import { attempt } from "../attempt.ts";
import { reportMistakes } from "../mistakes.ts";
import { findNetwork } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { ATTACHMENT_JSON, IFNAME, NETNS, NETWORK, STRICT } from "../operands.ts";
import { takeBack } from "../take_back.ts";

/** `cnitool add` */
export const add: Command = {
  name: "add",
  operands: [NETWORK, NETNS],
  summary: "attach the namespace to the network, and print the result as JSON",
  options: [IFNAME, STRICT, { ...JSON_OPTION, help: "print an error as JSON, too" }],
  example: "cnitool add demo blue --ifname net1",
  json: `the result of the network's last plugin, in the network's version; or
{ ${ATTACHMENT_JSON}; error: Error }`,
  failing: ({ operands: [network, netns] }) => `attach ${netns} to ${network}`,
  async run(line) {
    const network = findNetwork(line.operands[0]!);
    await reportMistakes(line);
    const target = findTarget(line, network.name, openCni());
    const rt = newRuntimeConf(target);
    const del = `cnitool del ${line.operands.join(" ")} -i ${rt.ifName}`;
    const called: string[] = [];
    return await attempt(line, {
      what: `attach ${rt.ifName} in ${rt.netns} to ${network.name}`,
      facts: factsOf(network, rt),
      remedy: (error) =>
        target.cached ? `${del} first: it is attached` : takeBack(network, called, error, del),
    }, async (progress) => {
      const cni = openCni((plugin, command) => {
        called.push(plugin);
        progress.plugin(plugin, command);
      });
      const result = await cni.addNetworkList(network, rt);
      const text = encodeJson(printNetworkResult(result, network.cniVersion), 4);
      printText(runtime.isTerminal(1) ? `${text}\n` : text);
    });
  },
};
