import { type Command, JSON_OPTION } from "../../cli/command.ts";
import { print } from "../../cli/output.ts";
import { openCni } from "../open_cni.ts";
import { networkDirectory, pluginPath } from "../settings.ts";
import { NETWORK, STRICT } from "../operands.ts";
import { findingLine } from "../validate/finding.ts";
import { targetOf } from "../validate/target.ts";

/** `cnitool validate` */
export const validate: Command = {
  name: "validate",
  operands: [{ ...NETWORK, name: "FILE|NETWORK|DIRECTORY", optional: true }],
  summary: "find what is wrong with network configurations before anybody uses them",
  description:
    `Without an operand all of NETCONFPATH is looked at. Found are keys that nobody reads, with the likely
one, and values of the wrong form; gateways outside their subnets, and subnets that overlap, within a
network and across those of a directory; capabilities that are missing; plugins that are missing or
do not speak the version; files that nobody reads. An error keeps the network, or a part of it, from
working; a warning is probably not what was meant. Plugins are asked for their versions, and nothing
is changed.`,
  options: [{ ...STRICT, help: "take warnings for errors" }, JSON_OPTION],
  example: "cnitool validate /etc/cni/net.d/bridge.conflist",
  json: `{ errors: number; warnings: number;
  files: { file: string;
    network: string;                 // "" where its name cannot be read
    findings: { severity: "error" | "warning"; file: string;
      line?: number; column?: number;  // from 1 on; absent where it is about the whole file
      message: string }[] }[] }`,
  failing: ({ operands: [what] }) => `validate ${what ?? "the networks of this host"}`,
  async run(line) {
    const { validate } = await import("../validate/mod.ts");
    const { files } = await validate(targetOf(line.operands[0]), pluginPath(), openCni());
    const findings = files.flatMap((file) => file.findings);
    const errors = findings.filter(({ severity }) => severity === "error").length;
    const warnings = findings.length - errors;
    print(line, { errors, warnings, files }, () => [
      ...files.flatMap(({ file, network, findings }) =>
        findings.length === 0
          ? [`${file}: network ${network} is in order`]
          : findings.map(findingLine)
      ),
      ...files.length === 0 ? [`there are no configurations in ${networkDirectory()}`] : [],
    ]);
    return errors > 0 || line.has("strict") && warnings > 0 ? 1 : 0;
  },
};
