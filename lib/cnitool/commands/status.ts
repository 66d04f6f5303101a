import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { atLeast } from "../../types/versions.ts";
import { attempt } from "../attempt.ts";
import { reportMistakes } from "../mistakes.ts";
import { findNetwork } from "../network.ts";
import { openCni } from "../open_cni.ts";
import { NETWORK, STRICT, UNUSED_NETNS } from "../operands.ts";

/** `cnitool status` */
export const status: Command = {
  name: "status",
  operands: [NETWORK, UNUSED_NETNS],
  summary: "ask the network's plugins whether they could attach a container",
  options: [STRICT, JSON_OPTION],
  example: "cnitool status demo",
  json: `{ network: string;
  asked: boolean;  // false: plugins cannot be asked before version 1.1.0
  ready: boolean | null;
  error?: Error }`,
  failing: ({ operands: [network] }) => `say whether ${network} is ready`,
  async run(line) {
    const network = findNetwork(line.operands[0]!);
    await reportMistakes(line);
    const { name, cniVersion } = network;
    const isAsked = atLeast(cniVersion, "1.1.0");
    const facts = { network: name, asked: isAsked };
    return await attempt(line, {
      what: `say that ${name} is ready`,
      facts: { ...facts, ready: false },
    }, async (progress) => {
      await openCni(progress.plugin).statusNetworkList(network);
      print(line, { ...facts, ready: isAsked || null }, () => [
        isAsked
          ? `${name} is ready`
          : `${name} cannot be asked: STATUS came with 1.1.0, its version is ${cniVersion}`,
      ]);
    });
  },
};
