import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print, printText } from "../../cli/output.ts";
import { openCni } from "../open_cni.ts";

/** `cnitool graph` */
export const graph: Command = {
  name: "graph",
  operands: [],
  summary: "draw the host's bridges, links, VLANs and published ports, and the containers on them",
  description:
    `Drawn is what the kernel has, in every namespace that can be seen; what is not as the cache of
attachments says is marked by "!".`,
  options: [{ name: "svg", help: "draw a picture: SVG, on standard output" }, JSON_OPTION],
  example: "cnitool graph --svg > host.svg",
  json: `{ host: { name: string; kind: string; up: boolean; addresses: string[];
    master?: string;       // the bridge, bond or VRF that it is a port of
    parent?: string;       // what it is made on
    vlans?: string;        // of a port: "5 untagged, 7-9"
    isUplink: boolean }[]; // the default route leads out here
  containers: { name: string; path: string;
    interfaces: { name: string; kind: string; up: boolean; mac: string; addresses: string[];
      host?: string;       // the other end of its pair, or its parent
      network?: string; containerID?: string;
      ports: string[];     // ports of the host that lead here: "8080/tcp"
      differences: string[] }[] }[];
  differences: string[] }  // what is cached of containers that are not there`,
  failing: () => "draw what this host has",
  async run(line) {
    const { readGraph } = await import("../graph/read.ts");
    const found = await readGraph(openCni().getCachedAttachments());
    if (line.has("svg")) {
      const { drawSvg } = await import("../graph/svg.ts");
      printText(drawSvg(found));
      return 0;
    }
    const { drawText } = await import("../graph/text.ts");
    print(line, found, () => drawText(found));
    return 0;
  },
};
