/**
 * This build's version as it is printed: the build script puts `v` and the version of `deno.json` in
 * its place. Nomad takes the first semantic version that an executable prints when it is started
 * without arguments, and demands a certain one of some plugins.
 */
export const BUILD_VERSION = "(from source)";

/** The commit that was built, in full; "" where that is unknown. The build script puts it here. */
export const BUILD_COMMIT: string = "";

/** When that commit was made, as RFC 3339 has it; "" where that is unknown. */
export const BUILD_DATE: string = "";
