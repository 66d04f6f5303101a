/**
 * npm packages in Deno's own cache: the bundler reads their code there, and Bun is one of them.
 * Nothing but the npm registry is needed.
 *
 * @module
 */
import { runDeno } from "./run.ts";

/** A package in the cache. */
export interface NpmPackage {
  name: string;
  version: string;
  directory: string;
  /** What follows the version in the specifier: `/mini`, or nothing. */
  subpath: string;
}

const packages = new Map<string, Promise<NpmPackage>>();

/**
 * Brings a package into Deno's cache, and returns where it is there.
 * @param specifier with its exact version, such as `npm:zod@4.6.7/mini`
 * @throws {Error} when the registry cannot be reached or does not have it
 */
export function npmPackage(specifier: string): Promise<NpmPackage> {
  let found = packages.get(specifier);
  if (!found) packages.set(specifier, found = locate(specifier));
  return found;
}

/** The part of `deno info --json` that is used. */
interface Info {
  npmCache: string;
  npmPackages: Record<
    string,
    { name: string; version: string; registryUrl: string; localPath?: string }
  >;
}

async function locate(specifier: string): Promise<NpmPackage> {
  const parsed = /^npm:((?:@[^/]+\/)?[^@/]+)@(\d+\.\d+\.\d+[^/]*)(\/.+)?$/.exec(specifier);
  if (!parsed) throw new Error(`${specifier} must name one exact version`);
  const [, name, version, subpath = ""] = parsed;
  await runDeno(["cache", "--quiet", "--no-lock", specifier]);
  const info = async (args: readonly string[]): Promise<Info> =>
    JSON.parse((await runDeno(["info", "--json", "--no-lock", ...args])).stdout);
  const found = Object.values((await info([specifier])).npmPackages)
    .find((candidate) => candidate.name === name && candidate.version === version);
  if (!found) throw new Error(`deno info does not know ${specifier}`);
  // Deno before 2.9 does not say where a package is, but it is always laid out like this.
  const directory = found.localPath ??
    [(await info([])).npmCache, registryDirectory(found.registryUrl), name, version].join("/");
  return { name: name!, version: version!, directory, subpath };
}

function registryDirectory(registryUrl: string): string {
  const { host, pathname } = new URL(registryUrl);
  return (host.replace(":", "_") + pathname).replace(/\/$/, "");
}
