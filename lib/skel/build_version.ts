/**
 * This build's version as it is printed: the build script puts `v` and the version of `deno.json` in
 * its place. Nomad takes the first semantic version that an executable prints when it is started
 * without arguments, and demands a certain one of some plugins.
 */
export const BUILD_VERSION = "(from source)";
