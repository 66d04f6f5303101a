import { counted } from "../../cli/text.ts";
import type { Cni } from "../../libcni/cni.ts";
import { ifPresent } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/mod.ts";
import { CniError } from "../../types/error.ts";
import { atLeast } from "../../types/versions.ts";
import { validate } from "../validate/mod.ts";
import type { Configured, Diagnosis } from "./diagnosis.ts";

/** Examines the directories of plugins and configurations, and the STATUS of networks. */
export async function plugins(configured: Configured, cni: Cni): Promise<Diagnosis[]> {
  const { directory, files, path } = configured;
  const networks = files.flatMap(({ network }) => network ?? []);
  return [
    ...path.map((folder): Diagnosis => {
      const names = ifPresent(() => runtime.files.list(folder))?.filter((name) => name[0] !== ".");
      return names
        ? { state: "fine", message: `${folder} has ${counted(names.length, "executable")}` }
        : {
          state: "problem",
          message: `${folder}, where plugins should be, does not exist`,
          remedy: "install the plugins there, or have CNI_PATH name their directory",
        };
    }),
    {
      state: networks.length > 0 ? "fine" : "note",
      message: `${directory} has ${counted(networks.length, "network")}`,
      ...networks.length > 0 ? {} : { remedy: "put a .conflist there; examples/ has some" },
    },
    ...await mistakes(configured, cni),
    ...await readiness(configured, cni),
  ];
}

async function mistakes({ directory, path }: Configured, cni: Cni): Promise<Diagnosis[]> {
  const { files } = await validate({ directory }, path, cni);
  return files.flatMap(({ file, findings }): Diagnosis[] => {
    if (findings.length === 0) return [];
    const isWrong = findings.some(({ severity }) => severity === "error");
    const message = `${file} has ${counted(findings.length, "mistake")}, the first: ${
      findings[0]!.message
    }`;
    return [{
      state: isWrong ? "problem" : "warning",
      message,
      remedy: `cnitool validate ${file}`,
    }];
  });
}

/** Asks networks for STATUS, where their version has it. */
async function readiness({ files }: Configured, cni: Cni): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  const asked = new Set<string>();
  for (const { network } of files) {
    // Of files with one name the first counts; that there are others is said as a mistake.
    if (!network || asked.has(network.name)) continue;
    asked.add(network.name);
    if (!atLeast(network.cniVersion, "1.1.0")) continue;
    try {
      await cni.statusNetworkList(network);
      found.push({ state: "fine", message: `network ${network.name} is ready` });
    } catch (error) {
      const { message } = CniError.from(error);
      found.push({ state: "problem", message: `network ${network.name} is not ready: ${message}` });
    }
  }
  return found;
}
