import type { NetworkFile } from "../../libcni/load.ts";
import { messageOf } from "../../runtime/errors.ts";
import { getFold, isObject } from "../../types/json.ts";

/**
 * A `note` is worth knowing; a `warning` may become a problem; with a `problem` something that is
 * configured does not work.
 */
export type State = "fine" | "note" | "warning" | "problem";

/** A finding about one thing that was examined. */
export interface Diagnosis {
  state: State;
  message: string;
  /** What the user can do about it. */
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
  /** The types of all plugins that networks call, IPAM plugins included. */
  types: ReadonlySet<string>;
  /** Directories that hold plugins. */
  path: readonly string[];
}

/** Lists the types of the plugins that networks call, IPAM plugins included. */
export function typesIn(files: readonly NetworkFile[]): Set<string> {
  return new Set(
    files.flatMap(({ network }) => network?.plugins ?? []).flatMap(({ type, json }) => {
      const ipam = getFold(json, "ipam");
      return isObject(ipam) && typeof ipam.type === "string" ? [type, ipam.type] : [type];
    }),
  );
}

/**
 * Returns what `look` finds; where it throws, a warning, so that the other areas are examined.
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
