import type { Command } from "../../cli/command.ts";
import { execIn } from "../../ns/exec.ts";
import { NetNs } from "../../ns/netns.ts";
import { errnoCode } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { explain } from "../explain.ts";
import { findNamespace } from "../namespace.ts";
import { NETNS } from "../operands.ts";

/** Exit statuses of shells, env(1) and nsenter(1) where a program cannot be executed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** `cnitool exec` */
export const exec: Command = {
  name: "exec",
  operands: [NETNS],
  rest: "[--] PROGRAM [ARGUMENT…]",
  restCompletes: "program",
  summary: "run a program in the namespace, as ip netns exec does",
  description:
    `The program takes cnitool's place: its terminal, signals and exit status are its own. It sees the
namespace's devices in /sys, and files of /etc/netns/NAME in the place of those in /etc. Where it
cannot be executed the exit status is 127 (not found) or 126.`,
  options: [],
  example: "cnitool exec blue -- ip address",
  failing: ({ operands: [netns], rest: [program] }) => `run ${program} in ${netns}`,
  run(line) {
    const [program, ...args] = line.rest;
    const netns = NetNs.open(findNamespace(line.operands[0]!).path);
    try {
      return execIn(netns, program!, args);
    } catch (error) {
      const code = errnoCode(error);
      if (code !== "ENOENT" && code !== "EACCES") throw error;
      runtime.write(2, explain(error, `run ${program} in ${netns.path}`));
      return code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
    }
  },
};
