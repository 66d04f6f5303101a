import { CniError } from "../../../lib/types/error.ts";
import { ALT_IF_NAME_BYTES, validateIfName } from "../../../lib/types/names.ts";
import { goObject, type Infer, integer, string, withDefault } from "../../../lib/types/schema.ts";

/** vrf's own options. */
export const options = () =>
  goObject({
    /** Name of the VRF in the container, which is made where there is none. */
    vrfname: withDefault(string(), ""),
    /** Its routing table; 0 finds one. */
    table: withDefault(integer({ min: 0, max: 2 ** 32 - 1 }), 0),
  });

/** @see options */
export type Options = Infer<ReturnType<typeof options>>;

/**
 * Checks `vrfname`, which may be an alternative name of an existing VRF.
 * @throws {CniError} code 7 when `vrfname` is missing, or no name that an interface can have
 */
export function validateOptions({ vrfname }: Options): void {
  if (vrfname === "") {
    throw CniError.invalidConfig(
      'configuration is expected to have a valid vrf name: set "vrfname"',
    );
  }
  try {
    validateIfName(vrfname, ALT_IF_NAME_BYTES);
  } catch (error) {
    throw CniError.invalidConfig(`"vrfname" is unusable: ${CniError.from(error).message}`);
  }
}
