import type { NetworkFile } from "../../libcni/load.ts";
import { messageOf } from "../../runtime/errors.ts";
import { getFold, isObject } from "../../types/json.ts";

/**
 * `fine`, or a `note` to know of; a `warning` may become a problem; with a `problem` something that
 * is configured does not work.
 */
export type State = "fine" | "note" | "warning" | "problem";

/** A finding about one thing that was examined. */
export interface Diagnosis {
  state: State;
  message: string;
  /** The remedy. */
  remedy?: string;
}

/** A heading, and the findings under it. */
export interface Area {
  area: string;
  diagnoses: Diagnosis[];
}

/** The configuration of this host. */
export interface Configured {
  /** NETCONFPATH. */
  directory: string;
  files: readonly NetworkFile[];
  /** Every plugin that a network calls, for addresses too. */
  types: ReadonlySet<string>;
  /** Directories that hold plugins. */
  path: readonly string[];
}

/** The plugins that networks call. */
export function typesIn(files: readonly NetworkFile[]): Set<string> {
  return new Set(
    files.flatMap(({ network }) => network?.plugins ?? []).flatMap(({ type, json }) => {
      const ipam = getFold(json, "ipam");
      return isObject(ipam) && typeof ipam.type === "string" ? [type, ipam.type] : [type];
    }),
  );
}

/**
 * What `look` finds; that it failed, where it does: nothing keeps the rest from being looked at.
 */
export async function examineArea(
  area: string,
  look: () => Diagnosis[] | Promise<Diagnosis[]>,
): Promise<Area> {
  try {
    return { area, diagnoses: await look() };
  } catch (error) {
    const message = `this could not be looked into: ${messageOf(error)}`;
    return { area, diagnoses: [{ state: "warning", message }] };
  }
}
