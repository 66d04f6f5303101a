/** Asks a plugin which versions of the specification it supports. */
import { CniError } from "../types/error.ts";
import { Fields } from "../types/fields.ts";
import { encodeJson } from "../types/json.ts";
import { NEWEST } from "../types/versions.ts";
import { pluginEnv } from "./env.ts";
import { type ExecOptions, execPlugin, type Limits } from "./exec.ts";
import { parseOutput } from "./result.ts";

/**
 * Reads the versions that the plugin `file` supports: its answer to VERSION. Plugins older than
 * that command support 0.1.0.
 *
 * @throws {CniError} the plugin's own error, or code 6 when its answer cannot be read.
 */
export async function supportedVersions(
  file: string,
  limits: Limits = {},
): Promise<readonly string[]> {
  return await askVersions((options) => execPlugin(file, { ...limits, ...options }));
}

/** Reads the versions of a plugin that `run` calls, as {@link supportedVersions} does. */
export async function askVersions(
  run: (request: Pick<ExecOptions, "stdin" | "env">) => Promise<string>,
): Promise<readonly string[]> {
  // Plugins built with an early Go library require these variables, for VERSION too.
  const env = pluginEnv({ command: "VERSION", netns: "dummy", ifName: "dummy", path: ["dummy"] });
  const stdin = encodeJson({ cniVersion: NEWEST });
  try {
    return readVersions(await run({ stdin, env }));
  } catch (error) {
    if (error instanceof CniError && error.message === "unknown CNI_COMMAND: VERSION") {
      return ["0.1.0"];
    }
    throw error;
  }
}

function readVersions(stdout: string): readonly string[] {
  const fail = (text: string) => CniError.decode(`decoding version info: ${text}`);
  const fields = new Fields(parseOutput(stdout), ["cniVersion", "supportedVersions"], "", fail);
  const versions = fields.strings("supportedVersions");
  if (versions?.length) return versions;
  const version = fields.string("cniVersion");
  if (!version) throw fail("missing field cniVersion");
  // 0.2.0, which introduced the command, made the list optional.
  if (version === "0.2.0") return ["0.1.0", "0.2.0"];
  throw fail("missing field supportedVersions");
}
