/** The attachments that `gc` keeps. */
import type { CommandLine } from "../cli/command_line.ts";
import { UsageError } from "../cli/usage_error.ts";
import type { CachedAttachment } from "../libcni/cache.ts";
import type { Cni } from "../libcni/cni.ts";
import { decodeText } from "../runtime/decode.ts";
import { runtime } from "../runtime/mod.ts";
import { errnoCode, messageOf } from "../runtime/errors.ts";
import { type Attachment, sameAttachment } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import { Fields } from "../types/fields.ts";
import { parseJson } from "../types/json.ts";
import { describeAttached, isOf } from "./attachment.ts";
import { findNamespace } from "./namespace.ts";
import { warn } from "./open_cni.ts";

/** A list of this many bytes has room for 100,000 attachments. */
const MAX_LIST = 16 << 20;

/** An attachment of the network of the command line. */
type OnNetwork = Omit<Attachment, "network">;

/**
 * Reads which attachments of a network are valid, as `--keep`, `--valid` and `--all` say.
 *
 * @throws {UsageError} when none of them is given, or two that exclude each other
 * @throws {CniError} code 7 for a `--keep` that is none of the network's cached attachments: what
 * was meant would be deleted
 */
export function readValid(network: string, line: CommandLine, cni: Cni): Attachment[] {
  const [keep, valid, all] = [line.texts("keep"), line.text("valid"), line.has("all")];
  const isSaid = keep.length > 0 || valid !== undefined;
  if (all && isSaid) {
    throw new UsageError("--all keeps nothing: it cannot stand with --keep or --valid");
  }
  if (!all && !isSaid) {
    throw new UsageError(
      "gc must be told which attachments are still valid: --keep CONTAINERID:IFNAME for each, " +
        "--valid FILE for a list, or --all to delete every one of them",
    );
  }
  const kept = keep.map(readKept);
  const listed = (valid === undefined ? [] : readList(valid)).map((one) => ({ network, ...one }));
  const attached = cni.getCachedAttachments().filter((one) => one.network === network);
  for (const one of listed) {
    if (attached.some((other) => sameAttachment(one, other))) continue;
    warn(`${one.containerId}:${one.ifName}, which is to stay, is not known to be attached`);
  }
  return [...kept.map((one) => findKept(one, attached, describeAttached(cni, network))), ...listed];
}

/** A value of `--keep`: what is before and after its last colon. */
interface Kept {
  container: string;
  ifName: string;
}

function readKept(text: string): Kept {
  const colon = text.lastIndexOf(":");
  const [container, ifName] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 1 || ifName === "") {
    throw new UsageError(`--keep ${text}: it must be CONTAINERID:IFNAME or NETNS:IFNAME`);
  }
  return { container, ifName };
}

/** Finds an attachment by the container's ID, or the path or name of its namespace. */
function findKept(
  { container, ifName }: Kept,
  attached: readonly CachedAttachment[],
  known: string,
): Attachment {
  const onInterface = attached.filter((one) => one.ifName === ifName);
  const namespace = findNamespace(container);
  const found = onInterface.find(({ containerId }) => containerId === container) ??
    onInterface.find((one) => isOf(one, namespace));
  if (found) return found;
  throw CniError.invalidConfig(
    `--keep ${container}:${ifName} is no attachment that is known, so nothing was deleted; ${known}`,
    "what another runtime attached, and keeps its own record of, can be named by --valid",
  );
}

/** Reads a list like GC's `cni.dev/valid-attachments`. `-` is standard input. */
function readList(file: string): OnNetwork[] {
  const where = file === "-" ? "standard input" : file;
  const fail = (text: string) => CniError.decode(`${where}: ${text}`);
  const text = readListText(file, where);
  let list: Fields[];
  try {
    const all = new Fields({ attachments: parseJson(text) }, ["attachments"], "", fail);
    list = all.each("attachments", ["containerID", "ifname"]) ?? [];
  } catch (error) {
    throw error instanceof CniError ? error : fail(messageOf(error));
  }
  return list.map((fields) => {
    const [containerId, ifName] = [fields.string("containerID"), fields.string("ifname")];
    if (containerId && ifName) return { containerId, ifName };
    throw fail(`${fields.path} must have "containerID" and "ifname"`);
  });
}

function readListText(file: string, where: string): string {
  try {
    return file === "-" ? decodeText(runtime.readStdin(MAX_LIST)) : runtime.files.readText(file);
  } catch (error) {
    throw CniError.io(`${where}: cannot read it: ${errnoCode(error) ?? messageOf(error)}`);
  }
}
