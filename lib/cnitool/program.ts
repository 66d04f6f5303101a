/** cnitool as a table. */
import type { Program } from "../cli/command.ts";
import { add } from "./commands/add.ts";
import { check } from "./commands/check.ts";
import { del } from "./commands/del.ts";
import { doctor } from "./commands/doctor.ts";
import { exec } from "./commands/exec.ts";
import { gc } from "./commands/gc.ts";
import { graph } from "./commands/graph.ts";
import { ipam } from "./commands/ipam.ts";
import { list } from "./commands/list.ts";
import { repair } from "./commands/repair.ts";
import { status } from "./commands/status.ts";
import { trace } from "./commands/trace.ts";
import { validate } from "./commands/validate.ts";
import { version } from "./commands/version.ts";
import { completionCommand } from "../cli/completion.ts";
import { explain } from "./explain.ts";
import { ENVIRONMENT } from "./settings.ts";

/** @see Program */
export const CNITOOL: Program = {
  name: "cnitool",
  summary: "Attaches network namespaces to CNI networks, as a container runtime does.",
  commands: [
    add,
    check,
    completionCommand("cnitool"),
    del,
    doctor,
    exec,
    gc,
    graph,
    ipam,
    list,
    repair,
    status,
    trace,
    validate,
    version,
  ],
  notes:
    `NETWORK is the name of a network in NETCONFPATH, or a configuration file: a name with a slash in it,
or one that ends in .conflist, .conf or .json. NETNS is the path of a network namespace, or the name
of one in /run/netns.

Error in what --json prints is { code: number; msg: string; details?: string }.`,
  environment: ENVIRONMENT,
  explain,
};
