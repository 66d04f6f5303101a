/** From the command line and the environment to a network and an attachment. */
import { resolve } from "../deps/path.ts";
import { splitPath } from "../invoke/find.ts";
import { Cni } from "../libcni/cni.ts";
import { type NetworkList, parseObject } from "../libcni/conf.ts";
import { loadNetwork, loadNetworkFile } from "../libcni/load.ts";
import type { RuntimeConf } from "../libcni/runtime_conf.ts";
import { ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { parseArgs } from "../types/args.ts";
import { CniError } from "../types/error.ts";
import { quote } from "../types/go_text.ts";
import type { JsonObject } from "../types/json.ts";
import { throwIfInterrupted } from "./interruption.ts";
import type { Progress } from "./terminal.ts";

/** Where plugins and networks are when the environment does not say. */
const DEFAULTS = { CNI_PATH: "/opt/cni/bin", NETCONFPATH: "/etc/cni/net.d", CNI_IFNAME: "eth0" };

function setting(name: keyof typeof DEFAULTS): string {
  return runtime.env(name) || DEFAULTS[name];
}

/** The directories in CNI_PATH. */
export function pluginPath(): string[] {
  return splitPath(setting("CNI_PATH"));
}

/** The library, telling the user what it warns of and what it is at. */
export function openCni(progress?: Progress): Cni {
  return new Cni({
    path: pluginPath(),
    warn,
    onPlugin(command, plugin) {
      throwIfInterrupted();
      progress?.now(`${plugin} ${command}`);
    },
  });
}

function warn(message: string): void {
  runtime.write(2, `cnitool: warning: ${message}\n`);
}

/**
 * The network called `name` in NETCONFPATH; or, where `name` is a path or the name of a
 * configuration file, the one in that file.
 */
export function findNetwork(name: string): NetworkList {
  if (/\/|\.(conflist|conf|json)$/.test(name)) return loadNetworkFile(name);
  return loadNetwork(setting("NETCONFPATH"), name, { warn });
}

/** What to attach, from the namespace's path and the environment. */
export function findAttachment(netns: string, ifName: string | undefined): RuntimeConf {
  const path = absolutePath(netns);
  return {
    containerId: containerIdOf(path),
    netns: path,
    ifName: ifName || setting("CNI_IFNAME"),
    args: readCniArgs(runtime.env("CNI_ARGS") ?? ""),
    capabilityArgs: readCapabilityArgs(runtime.env("CAP_ARGS") ?? ""),
  };
}

/** Containers have no names here: they go by their namespace's path. */
export function containerIdOf(netns: string): string {
  return `cnitool-${runtime.sha512Hex(absolutePath(netns)).slice(0, 20)}`;
}

function absolutePath(path: string): string {
  return resolve(workingDirectory(), path);
}

/** By the name that the user knows it by, where a shell keeps that in PWD. */
function workingDirectory(): string {
  const logical = runtime.env("PWD") ?? "";
  if (!logical.startsWith("/")) return runtime.files.realPath(".");
  const [here, there] = [
    runtime.files.stat("."),
    ifPresent(() => runtime.files.stat(logical)),
  ];
  const isHere = here.dev === there?.dev && here.ino === there.ino;
  return isHere ? logical : runtime.files.realPath(".");
}

function readCniArgs(text: string): [string, string][] {
  const pairs = parseArgs(text);
  for (const [key, value] of pairs) {
    if (key && value) continue;
    throw CniError.invalidEnvironment(
      `invalid CNI_ARGS pair ${quote(`${key}=${value}`)}: it needs a key and a value`,
    );
  }
  return pairs;
}

function readCapabilityArgs(text: string): JsonObject {
  if (text === "") return {};
  try {
    return parseObject(text);
  } catch (error) {
    throw CniError.invalidEnvironment(`CAP_ARGS: ${CniError.from(error).message}`);
  }
}
