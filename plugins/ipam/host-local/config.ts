/**
 * host-local's configuration, combined with the runtime's ranges.
 *
 * @module
 */
import { rangeKeys, rangeSets as setsOf, requestKeys } from "../../../lib/ipam/range_options.ts";
import type { RangeSet } from "../../../lib/ipam/range_set.ts";
import type { BareCall, Call } from "../../../lib/skel/plugin.ts";
import { CniError } from "../../../lib/types/error.ts";
import { findText } from "../../../lib/types/options.ts";
import { customSchema, goObject, type Infer, optional } from "../../../lib/types/schema.ts";
import type { Schema } from "../../../lib/types/schema_type.ts";

/** The Go plugin's directory of reservations. */
const DATA_DIRECTORY = "/var/lib/cni/networks";

/** What host-local reads of a network's configuration. */
export const options = () =>
  goObject({
    ipam: optional(goObject({
      ...rangeKeys(),
      /** Directory that reservations are kept in; `/var/lib/cni/networks` when absent. */
      dataDir: optional(path()),
    })),
    ...requestKeys(),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/** The schema of a directory; empty for the default. */
function path(): Schema<string> {
  return customSchema(
    "the path of a directory",
    (value) => typeof value === "string" && !value.includes("\0") ? value : undefined,
  );
}

/**
 * The directory that holds every network's reservations: `ipam.dataDir`, all that is read of
 * `ipam`.
 */
export function dataDirectory({ raw }: BareCall): string {
  const directory = findText(raw, "ipam", "dataDir");
  return directory && !directory.includes("\0") ? directory : DATA_DIRECTORY;
}

/**
 * The sets to give addresses of.
 * @throws {CniError} code 7 naming the set and what is wrong with it
 */
export function rangeSets({ config, options }: Call<Options>): RangeSet[] {
  if (!options.ipam) throw CniError.invalidConfig("IPAM config missing 'ipam' key");
  return setsOf(options.ipam, options, config.cniVersion);
}
