/**
 * The npm packages whose code an executable contains, with what a bill of materials says of each.
 */
import type { Bundle } from "../build/bundle.ts";
import { hexOf } from "../../lib/runtime/hex.ts";
import { resolve } from "../../lib/deps/path.ts";

/** An npm package. */
export interface BundledPackage {
  name: string;
  version: string;
  /** SPDX expression of its package.json. */
  license: string;
  /** SHA-512 of the registry's file, in hex digits, from deno.lock; absent where that has none. */
  sha512?: string;
}

/** Where Deno's cache has a package: `…/npm/registry.npmjs.org/@scope/name/1.2.3/`. */
const PACKAGE = /^.*?\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\//;

/**
 * Lists the packages that a bundle took code from, sorted.
 * @param root the project's directory
 */
export function bundledPackages({ metafile }: Bundle, root: string): BundledPackage[] {
  const lock = JSON.parse(Deno.readTextFileSync(`${root}/deno.lock`));
  const directories = new Set(
    Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs))
      .flatMap((path) => PACKAGE.exec(resolve(root, path))?.[0] ?? []),
  );
  return [...directories].sort().map((directory) => {
    const [, name, version] = PACKAGE.exec(directory)!;
    const { license } = JSON.parse(Deno.readTextFileSync(`${directory}package.json`));
    const integrity: string | undefined = lock.npm?.[`${name}@${version}`]?.integrity;
    const base64 = /^sha512-(.+)$/.exec(integrity ?? "")?.[1];
    return {
      name: name!,
      version: version!,
      license: typeof license === "string" ? license : "NOASSERTION",
      ...base64
        ? { sha512: hexOf(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))) }
        : {},
    };
  });
}
