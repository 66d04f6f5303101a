/**
 * The permissions of a plugin that is compiled by itself. Its `permissions.json` stands beside its
 * `main.ts` (JSON, since the build reads it without running the plugin) and is either
 *
 *     "all"                                      everything, or
 *     { "read": true, "write": ["/var/lib/cni"], "env": true, "run": ["nft"] }
 *
 * where each of Deno's permissions is `true`, a list of what it is limited to, or left out: not
 * permitted. Two things to know: Deno grants files under /proc and /sys, so network namespaces
 * and sysctls opened through its own API, to `"all"` only; and `ffi` lets a plugin call anything
 * in libc, so it is as good as `"all"`, though it says more about what the plugin needs.
 *
 * @module
 */

const PERMISSIONS = ["read", "write", "env", "run", "ffi", "net", "sys"];

/**
 * Reads a permissions file, and returns the arguments for `deno compile`.
 * @throws {Error} naming the file and what is wrong with it; a plugin must have one
 */
export function permissionFlags(path: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`${path} is missing: write "all" into it, or an object of Deno's permissions`);
  }
  return toFlags(JSON.parse(text), path);
}

/** Makes the arguments for `deno compile`. @param path the file's name in errors */
export function toFlags(permissions: unknown, path: string): string[] {
  if (permissions === "all") return ["--allow-all"];
  if (typeof permissions !== "object" || permissions === null || Array.isArray(permissions)) {
    throw new Error(`${path}: must be "all" or an object of permissions`);
  }
  return Object.entries(permissions).map(([name, value]) => {
    if (!PERMISSIONS.includes(name)) {
      throw new Error(`${path}: ${JSON.stringify(name)} is none of ${PERMISSIONS.join(", ")}`);
    }
    if (value === true) return `--allow-${name}`;
    if (!isList(value)) {
      throw new Error(`${path}: "${name}" must be true or a list of strings without commas`);
    }
    return `--allow-${name}=${value.join(",")}`;
  });
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((item) => typeof item === "string" && item !== "" && !item.includes(","));
}
