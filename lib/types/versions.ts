/** The versions of the specification, and how they compare. */
import { CniError } from "./error.ts";
import { quote, quoteList } from "./go_text.ts";

/** Every version of the specification, oldest first. */
export const SPEC_VERSIONS = [
  "0.1.0",
  "0.2.0",
  "0.3.0",
  "0.3.1",
  "0.4.0",
  "1.0.0",
  "1.1.0",
] as const;
/** A version of the specification, such as `1.1.0`. */
export type SpecVersion = typeof SPEC_VERSIONS[number];

/** The newest version, which VERSION answers with. */
export const NEWEST = "1.1.0" satisfies SpecVersion;

/** Versions whose results have the same shape, by the first one's major and minor number. */
export const VERSION_FAMILIES = {
  "0.1": ["0.1.0", "0.2.0"],
  "0.3": ["0.3.0", "0.3.1", "0.4.0"],
  "1.0": ["1.0.0", "1.1.0"],
} as const satisfies Record<string, readonly SpecVersion[]>;
/** One of the shapes that results have had. */
export type VersionFamily = keyof typeof VERSION_FAMILIES;

/**
 * Finds the family that `version` belongs to ("" is 0.1.0); undefined for a version that the
 * specification never had.
 */
export function familyOf(version: string): VersionFamily | undefined {
  const families = Object.keys(VERSION_FAMILIES) as VersionFamily[];
  const wanted = version || "0.1.0";
  return families.find((family) => VERSION_FAMILIES[family].some((member) => member === wanted));
}

/**
 * Finds the family, as {@linkcode familyOf}.
 *
 * @throws {CniError} code 1 naming the known versions
 */
export function requireFamily(version: string): VersionFamily {
  const family = familyOf(version);
  if (family !== undefined) return family;
  throw CniError.incompatibleVersion(
    `unsupported CNI result version ${quote(version)}: known are ${quoteList(SPEC_VERSIONS)}`,
  );
}

/**
 * Parses a version into major, minor and micro number. Missing parts are 0, and "" is 0.1.0.
 *
 * @throws {CniError} code 6 for more than three parts, or a part that is not a number.
 */
export function parseVersion(text: string): [major: number, minor: number, micro: number] {
  if (text === "") return [0, 1, 0];
  const parts = text.split(".");
  if (parts.length > 3) {
    throw CniError.decode(
      `invalid version ${quote(text)}: too many parts, a version is like ${NEWEST}`,
    );
  }
  const [major = 0, minor = 0, micro = 0] = parts.map((part, index) => {
    if (/^\d{1,9}$/.test(part)) return Number(part);
    const which = ["major", "minor", "micro"][index];
    throw CniError.decode(
      `failed to convert ${which} version part ${quote(part)}: cniVersion ${
        quote(text)
      } is not like ${NEWEST}`,
    );
  });
  return [major, minor, micro];
}

/**
 * Compares two versions: negative, zero or positive as `a` is older than, equal to or newer than
 * `b`.
 * @throws {CniError} code 6
 */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** Tells whether `version` is `min` or newer. @throws {CniError} code 6 */
export function atLeast(version: string, min: string): boolean {
  const known: readonly string[] = SPEC_VERSIONS;
  const [at, from] = [known.indexOf(version), known.indexOf(min)];
  return at < 0 || from < 0 ? compareVersions(version, min) >= 0 : at >= from;
}

/** Lists the versions from `min` on, for a plugin that cannot serve older ones. */
export function versionsFrom(min: SpecVersion): readonly SpecVersion[] {
  return SPEC_VERSIONS.slice(SPEC_VERSIONS.indexOf(min));
}
