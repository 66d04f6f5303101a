/** This build's version. The build script puts the version of `deno.json` in its place. */
export const BUILD_VERSION = "(from source)";
