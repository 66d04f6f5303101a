/** The directory that executables are installed in, and what an installation keeps in it. */
import { errnoCode, ifPresent } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import type { FileInfo } from "../runtime/types.ts";
import { removeIfPresent } from "../runtime/write_atomic.ts";
import { INSTALLATION, renamedPath } from "../skel/renamed.ts";
import { CniError } from "../types/error.ts";
import { copyExecutable, fingerprint, sameContent } from "./content.ts";
import type { Installed } from "./record.ts";

/** Who owns the file of a name. */
export type Owner =
  | "nobody"
  /** An installation wrote it, and nobody has replaced it since. */
  | "installation"
  | "somebody";

/** The executable's own name, which the symbolic links of an installation point to. */
export const OWN_NAME = "cni";

/**
 * A directory of executables.
 *
 *     NAME                 the executables
 *     .cni/installed.json  the record, see `record.ts`
 *     .cni/as/NAME         symbolic link to the plugin that NAME stands for, see `skel/renamed.ts`
 *     .cni/before/NAME     the file that NAME was before the installation
 *     .cni/new/NAME        files that are being made
 */
export class ExecutableDirectory {
  /** @param path its real path */
  constructor(readonly path: string) {}

  /** The directory of what is kept beside the executables. */
  get administration(): string {
    return `${this.path}/${INSTALLATION}`;
  }

  file(name: string): string {
    return `${this.path}/${name}`;
  }

  staged(name: string): string {
    return `${this.administration}/new/${name}`;
  }

  kept(name: string): string {
    return `${this.administration}/before/${name}`;
  }

  /**
   * Tells who owns the file of a name.
   * @throws {CniError} code 5 for a directory, a device and the like, which no installation
   * replaces
   */
  ownerOf(name: string, installed: Installed | undefined): Owner {
    const info = this.infoOf(name);
    if (!info) return "nobody";
    const path = this.file(name);
    if (!info.isFile && !info.isSymlink) {
      throw CniError.io(
        `${path} is neither a file nor a symbolic link, and stays: move it away; ` +
          "nothing was changed",
      );
    }
    // Where the record was deleted, the kept files remain, which only an installation makes.
    if (!installed) return this.keptNames().includes(name) ? "installation" : "somebody";
    if (!installed.names.includes(name)) return "somebody";
    if (info.isSymlink) {
      return runtime.files.readLink(path) === OWN_NAME ? "installation" : "somebody";
    }
    const { size, head } = fingerprint(path);
    const isOurs = installed.files.some((file) => file.size === size && file.head === head);
    return isOurs ? "installation" : "somebody";
  }

  /** Looks at a name, without following a symbolic link; undefined where there is none. */
  infoOf(name: string): FileInfo | undefined {
    return ifPresent(() => runtime.files.lstat(this.file(name)));
  }

  /** Tells whether a name is an executable file with the content of another file. */
  hasContent(name: string, file: string): boolean {
    const info = this.infoOf(name);
    return info !== undefined && info.isFile && (info.mode & 0o777) === 0o755 &&
      sameContent(this.file(name), file);
  }

  /** Makes the directories of an installation, readable for everybody, and empties `new`. */
  prepare(): void {
    for (const directory of ["", "/as", "/before", "/new"]) {
      const path = this.administration + directory;
      runtime.files.makeDirectory(path, 0o755);
      runtime.files.chmod(path, 0o755);
    }
    this.#empty("new");
  }

  /** Moves a finished file to its place, and replaces what is there. */
  put(name: string): void {
    runtime.files.rename(this.staged(name), this.file(name));
  }

  /** Keeps the file of a name aside, instead of one kept before. The file itself stays as well. */
  keepAside(name: string): void {
    const [file, kept] = [this.file(name), this.kept(name)];
    const temporary = this.kept(`.${name}`);
    removeIfPresent(temporary);
    const { isSymlink, mode } = runtime.files.lstat(file);
    if (isSymlink) {
      runtime.files.symlink(runtime.files.readLink(file), temporary);
    } else if (!linked(file, temporary)) {
      copyExecutable(file, temporary);
      runtime.files.chmod(temporary, mode & 0o7777);
    }
    runtime.files.rename(temporary, kept);
    // Where both are one file already, rename(2) leaves both.
    removeIfPresent(temporary);
  }

  /** Whether the file that a name was before the installation was kept aside. */
  isKept(name: string): boolean {
    return ifPresent(() => runtime.files.lstat(this.kept(name))) !== undefined;
  }

  /** Puts back the file that was kept aside, and replaces what is there. */
  restore(name: string): void {
    runtime.files.rename(this.kept(name), this.file(name));
  }

  /** Lists the names that stand for plugins of other names, with these plugins. */
  renames(): Map<string, string> {
    const names = listed(`${this.administration}/as`).filter((name) => !name.startsWith("."));
    return new Map(
      names.map((name) => [name, runtime.files.readLink(renamedPath(this.path, name))]),
    );
  }

  /** Notes that a name stands for a plugin of another name. */
  rename(name: string, plugin: string): void {
    const temporary = renamedPath(this.path, `.${name}`);
    removeIfPresent(temporary);
    runtime.files.symlink(plugin, temporary);
    runtime.files.rename(temporary, renamedPath(this.path, name));
  }

  /** Lists the names of the files that were kept aside. */
  keptNames(): string[] {
    return listed(`${this.administration}/before`).filter((name) => !name.startsWith("."));
  }

  /** Removes the files that were being made. */
  discardStaged(): void {
    this.#empty("new");
    removeIfPresent(`${this.administration}/new`);
  }

  /** Removes everything that an installation keeps, but for the record and kept files. */
  removeAdministration(): void {
    this.discardStaged();
    this.#empty("as");
    for (const name of listed(`${this.administration}/before`)) {
      if (name.startsWith(".")) removeIfPresent(this.kept(name));
    }
    for (const directory of ["/as", "/before", ""]) {
      removeIfPresent(this.administration + directory);
    }
  }

  #empty(directory: string): void {
    const path = `${this.administration}/${directory}`;
    for (const name of listed(path)) removeIfPresent(`${path}/${name}`);
  }
}

/** Makes a hard link. Returns false where the file system allows none, or no more to this file. */
export function linked(existing: string, path: string): boolean {
  try {
    runtime.files.link(existing, path);
    return true;
  } catch (error) {
    if (NO_HARD_LINK.includes(errnoCode(error) ?? "")) return false;
    throw error;
  }
}

/** The errors of link(2) after which a copy is made instead. */
const NO_HARD_LINK = ["EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"];

function listed(directory: string): string[] {
  return ifPresent(() => runtime.files.list(directory)) ?? [];
}
