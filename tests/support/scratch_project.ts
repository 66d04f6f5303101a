import { fromFileUrl } from "./paths.ts";

/** This project's directory. */
export const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** What building takes. */
const PARTS = [
  "lib",
  "scripts/build",
  "scripts/client",
  "scripts/build.ts",
  "scripts/support/files.ts",
  "scripts/support/root.ts",
  "deno.json",
  "deno.lock",
];

/**
 * A copy of this project with plugins of the test's own, in a directory that is removed when it is
 * disposed of.
 */
export class ScratchProject implements Disposable {
  /** With a space in its name, as a user's directory may have. */
  readonly root = Deno.makeTempDirSync({ prefix: "cni build test-" });

  /** @param files path from the project's directory to content */
  constructor(files: Readonly<Record<string, string>>) {
    for (const part of PARTS) {
      copy(`${ROOT}/${part}`, `${this.root}/${part}`);
    }
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(parent(`${this.root}/${path}`), { recursive: true });
      Deno.writeTextFileSync(`${this.root}/${path}`, content);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function copy(from: string, to: string): void {
  if (Deno.statSync(from).isFile) {
    Deno.mkdirSync(parent(to), { recursive: true });
    Deno.copyFileSync(from, to);
    return;
  }
  for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
