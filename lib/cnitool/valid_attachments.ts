/** What `gc` is to leave alone. */
import { runtime } from "../runtime/mod.ts";
import { errnoCode, messageOf } from "../runtime/errors.ts";
import type { Attachment } from "../types/attachment.ts";
import { CniError } from "../types/error.ts";
import { Fields } from "../types/fields.ts";
import { parseJson } from "../types/json.ts";
import { containerIdOf } from "./request.ts";
import { UsageError } from "./usage_error.ts";

/** A list of this many bytes has room for 100,000 attachments. */
const MAX_LIST = 16 << 20;

/** The ways to say what is valid. */
export interface ValidOptions {
  keep: readonly string[];
  valid: string | undefined;
  all: boolean;
}

/** An attachment of the network that is spoken of. */
type OnNetwork = Omit<Attachment, "network">;

/**
 * The attachments of a network that are to stay.
 * @throws {UsageError} when nothing was said, or two things that exclude each other
 */
export function readValid(network: string, { keep, valid, all }: ValidOptions): Attachment[] {
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
  return [...keep.map(readKept), ...(valid === undefined ? [] : readList(valid))]
    .map((one) => ({ network, ...one }));
}

/** `CONTAINERID:IFNAME`, or `NETNS:IFNAME` where NETNS is a path. */
function readKept(text: string): OnNetwork {
  const colon = text.lastIndexOf(":");
  const [container, ifName] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 1 || ifName === "") {
    throw new UsageError(`--keep ${text}: it must be CONTAINERID:IFNAME or NETNS:IFNAME`);
  }
  return { containerId: container.includes("/") ? containerIdOf(container) : container, ifName };
}

/** A list like that of the specification's GC. `-` is standard input. */
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
    return file === "-"
      ? new TextDecoder().decode(runtime.readStdin(MAX_LIST))
      : runtime.files.readText(file);
  } catch (error) {
    throw CniError.io(`${where}: cannot read it: ${errnoCode(error) ?? messageOf(error)}`);
  }
}
