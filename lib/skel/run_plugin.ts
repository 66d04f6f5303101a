/**
 * Runs a plugin as a process: reads the environment and standard input, writes one JSON document
 * and exits with a status. Importing this file does nothing.
 *
 * @module
 */
import { consoleToStderr } from "../runtime/console.ts";
import { messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { EndSignal } from "../runtime/types.ts";
import { CniError } from "../types/error.ts";
import { interruptedBy, type PluginOutput, takeBackUnwritten } from "../types/plugin_output.ts";
import { SPEC_VERSIONS } from "../types/versions.ts";
import { BUILD_VERSION } from "./build_version.ts";
import { dispatch } from "./dispatch.ts";
import type { Plugin } from "./plugin.ts";
import { STDIN_LIMIT } from "./request.ts";

/** Serves the call this process was started for, and ends the process. */
export async function runPlugin<O>(plugin: Plugin<O>): Promise<never> {
  if (!runtime.env("CNI_COMMAND")) {
    runtime.exit(about(plugin));
  }
  consoleToStderr();
  const env = runtime.environment();
  const stdin = () => {
    try {
      return runtime.readStdin(STDIN_LIMIT);
    } catch (error) {
      throw CniError.io(`error reading from stdin: ${messageOf(error)}`);
    }
  };
  return await answer(await dispatch(plugin, { env, stdin }, interruption()));
}

/** Writes the answer and exits. An ADD whose result cannot be written is undone. */
async function answer(output: PluginOutput): Promise<never> {
  try {
    runtime.write(1, output.stdout);
  } catch (error) {
    runtime.write(2, await takeBackUnwritten(output, error));
    return runtime.exit(1);
  }
  return runtime.exit(output.exitCode);
}

/** Makes a promise that rejects on a signal to end, or on an error that nothing catches. */
function interruption(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // Nobody may be waiting any more.
  runtime.onCrash(reject);
  const told = (signal: EndSignal) => reject(interruptedBy(signal, runtime.env("CNI_COMMAND")));
  runtime.onSignal(["SIGTERM", "SIGINT", "SIGHUP"], told);
  return promise;
}

/**
 * Prints the plugin's name and versions when it is run by hand. Specification, section 4 ("about").
 */
function about<O>({ name, versions = SPEC_VERSIONS }: Plugin<O>): number {
  const title = `CNI ${name} plugin ${BUILD_VERSION}`;
  if (runtime.args.includes("--version")) {
    runtime.write(1, `${title}\n`);
    return 0;
  }
  runtime.write(2, `${title}\nCNI protocol versions supported: ${versions.join(", ")}\n`);
  if (runtime.args.includes("--help") || runtime.isTerminal(2)) {
    runtime.write(
      2,
      "\nA container runtime calls this program, with CNI_COMMAND and its other variables set and\n" +
        "the network's configuration on standard input. To try it by hand, use cnitool.\n",
    );
  }
  return 0;
}
