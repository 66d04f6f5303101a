import { tryParseMac } from "../../../lib/ip/mac.ts";
import type { AttachmentCall, Call } from "../../../lib/skel/plugin.ts";
import { readArgs } from "../../../lib/types/args.ts";
import { CniError } from "../../../lib/types/error.ts";
import { isObject, type JsonObject } from "../../../lib/types/json.ts";
import { duplicateKeys } from "../../../lib/types/json_duplicates.ts";
import { findText } from "../../../lib/types/options.ts";
import {
  boolean,
  customSchema,
  goObject,
  type Infer,
  integer,
  optional,
  string,
} from "../../../lib/types/schema.ts";
import { locate, type Sysctl } from "./sysctls.ts";

const INT32 = 2 ** 31 - 1;

/** Keys of sysctls and their values. */
export const sysctlTable = () =>
  customSchema(
    'an object of strings such as {"net.ipv4.conf.IFNAME.arp_notify": "1"}',
    (value) => {
      const strings = isObject(value) && Object.values(value).every((v) => typeof v === "string");
      return strings ? value as Record<string, string> : undefined;
    },
    () => ({ type: "object", additionalProperties: { type: "string" } }),
  );

/** What may stand in the configuration itself, and in its `args.cni`, which wins. */
const settings = () => ({
  /** Key to value; `IFNAME` in a key stands for the interface. */
  sysctl: optional(sysctlTable()),
  /** MAC address; left alone when absent. That of `args`, the runtime's, CNI_ARGS' overrule it. */
  mac: optional(string()),
  /** Take every frame: true switches it on, false leaves it alone. */
  promisc: optional(boolean()),
  /** Bytes, at both ends of a veth pair; 0 leaves it alone. */
  mtu: optional(integer({ min: 0, max: INT32 })),
  /** Take every multicast frame, or not; left alone when absent. */
  allmulti: optional(boolean()),
  /** Length of the transmit queue. Packets; left alone when absent. */
  txQLen: optional(integer({ min: 0, max: INT32 })),
});

/** tuning's own options. */
export const options = () =>
  goObject({
    ...settings(),
    /**
     * Absolute path of the directory where the values that were there before are kept until DEL;
     * `/run/cni/tuning` when absent.
     */
    dataDir: optional(string()),
    args: optional(goObject({ cni: optional(goObject(settings())) })),
    runtimeConfig: optional(goObject({ mac: optional(string()) })),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** What an ADD is to change. What is absent stays as it is. */
export interface Tuning {
  sysctls: Sysctl[];
  link: LinkSettings;
}

/** What of the interface is to change, in the order in which it is changed. */
export interface LinkSettings {
  mac?: string;
  promisc?: boolean;
  mtu?: number;
  allmulti?: boolean;
  txQLen?: number;
}

/**
 * Reads what to change from the configuration, `args`, the runtime and CNI_ARGS.
 * @throws {CniError} code 4 or 7 naming the key, its value and where it came from
 */
export function readTuning(call: AttachmentCall<Options>): Tuning {
  const { options } = call;
  const { promisc, mtu, allmulti, txQLen } = { ...options, ...options.args?.cni };
  return {
    sysctls: readSysctls(call, call.ifName),
    link: {
      mac: readMac(call),
      promisc: promisc || undefined,
      mtu: mtu || undefined,
      allmulti,
      txQLen,
    },
  };
}

/**
 * Reads the sysctls to set, in the configuration's order, then those of `args`.
 * @param ifName what `IFNAME` in a key stands for
 * @throws {CniError} code 7 naming the key
 */
export function readSysctls({ options, text }: Call<Options>, ifName: string): Sysctl[] {
  const sources = [options.sysctl, options.args?.cni?.sysctl];
  if (sources.every((source) => source === undefined)) return [];
  for (const way of duplicateKeys(text)) {
    const inside = way.join("\n").toLowerCase();
    if (!/^(args\ncni\n)?sysctl(\n|$)/.test(inside)) continue;
    const key = way.pop()!;
    throw CniError.invalidConfig(
      `duplicated sysctl keys are not allowed: ${JSON.stringify(key)} stands twice in ` +
        `${way.length > 0 ? JSON.stringify(way.join(".")) : "the configuration"}; keep one of them`,
    );
  }
  const found = new Map<string, Sysctl>();
  for (const source of sources) {
    const own = new Map<string, Sysctl>();
    for (const [key, value] of Object.entries(source ?? {})) {
      const sysctl = { key, path: locate(key, ifName), value };
      const other = own.get(sysctl.path);
      if (other && other.value !== value) {
        throw CniError.invalidConfig(
          `"sysctl" gives ${sysctl.path} two values: ${JSON.stringify(other.value)} as ` +
            `${JSON.stringify(other.key)}, ${JSON.stringify(value)} as ${JSON.stringify(key)}; ` +
            "keep one of them",
        );
      }
      own.set(sysctl.path, sysctl);
    }
    for (const [path, sysctl] of own) found.set(path, sysctl);
  }
  return [...found.values()];
}

/**
 * Finds the directory of backups for DEL and GC, which have no use for any other option and go on
 * where one is wrong: then it is where an ADD without `dataDir` keeps them.
 */
export function backupDirectory(raw: JsonObject): string {
  try {
    return dataDirectory({ dataDir: findText(raw, "dataDir") });
  } catch {
    return dataDirectory({});
  }
}

/**
 * Reads the directory of backups.
 * @throws {CniError} code 7 for a `dataDir` that is no absolute path
 */
export function dataDirectory({ dataDir }: Pick<Options, "dataDir">): string {
  const directory = dataDir || "/run/cni/tuning";
  if (directory.startsWith("/") && !directory.includes("\0")) return directory;
  throw CniError.invalidConfig(
    `"dataDir" is ${JSON.stringify(dataDir)}, but must be an absolute path such as ` +
      '"/run/cni/tuning"',
  );
}

/**
 * Chooses the MAC address: that of `args`, then the runtime's, then CNI_ARGS'. In `args` alone `""`
 * is one: it leaves the address as it is, whichever the others ask for.
 */
function readMac({ options, args }: AttachmentCall<Options>): string | undefined {
  const sources = [
    ["args.cni.mac", options.args?.cni?.mac],
    ["runtimeConfig.mac", options.runtimeConfig?.mac],
    ["MAC in CNI_ARGS", readArgs(args, ["MAC"]).MAC],
    ["mac", options.mac],
  ] as const;
  if (options.args?.cni?.mac === "") return undefined;
  const [source, text] = sources.find(([, text]) => text) ?? [];
  if (!text) return undefined;
  const mac = tryParseMac(text);
  if (mac) return mac;
  throw CniError.invalidConfig(
    `invalid args ${text} for MAC addr: "${source}" must be a MAC address such as ` +
      '"0a:58:0a:01:02:03"',
  );
}
