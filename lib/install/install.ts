/**
 * Installs the running executable into a directory of plugins: `cni install`.
 *
 * Each file is made in another directory first, and written to the disk. Then the record is
 * written, which from there on lists the new files as well as the old ones; files of others are
 * kept aside, and each new file is renamed to its place. After a kill at any point, each name is
 * what it was or what it becomes, and the next installation or removal continues from there.
 *
 * @module
 */
import { FileLock } from "../host/lock.ts";
import { errnoCode, ifPresent, messageOf } from "../runtime/errors.ts";
import { runtime } from "../runtime/mod.ts";
import { isSameFile } from "../runtime/same_file.ts";
import { removeIfPresent } from "../runtime/write_atomic.ts";
import { CLIENT_LIMIT, fitsClient, writeExecutable } from "../server/client_file.ts";
import { BUILD_VERSION } from "../skel/build_version.ts";
import { CniError } from "../types/error.ts";
import { copyExecutable, type Fingerprint, fingerprint, syncDirectory } from "./content.ts";
import { type Contents, contents } from "./contents.ts";
import { ExecutableDirectory, linked, OWN_NAME, type Owner } from "./directory.ts";
import { InstallationRecord, type Installed, sameRecord } from "./record.ts";

/** How the executable's names are made. */
export const LINKS = ["hard", "symlink", "copy"] as const;
export type LinkMode = (typeof LINKS)[number];

/** What to install, and where. */
export interface InstallOptions {
  /** The directory, absolute or from the working directory. */
  directory: string;
  links: LinkMode;
  /** Names of plugins and tools; all when empty. */
  only: readonly string[];
  /** In the place of plugins, clients of the resident server. */
  resident: boolean;
  /** Other names for plugins and tools, with what they stand for. */
  renames: ReadonlyMap<string, string>;
  /** Only reports what would be done. */
  dryRun: boolean;
}

/** What was done, or, in a dry run, would be. */
export interface InstallReport {
  /** The directory's real path; as it was given where it does not exist yet. */
  directory: string;
  version: string;
  dryRun: boolean;
  /** Whether the directory did not exist. */
  created: boolean;
  files: InstalledFile[];
  /** Sentences about what is not as one might expect. */
  notes: string[];
}

/** One name of an installation. */
export interface InstalledFile {
  name: string;
  /** What it is: a plugin, a tool or `cni`. */
  command: string;
  action: "added" | "replaced" | "unchanged";
  /** Whether what somebody else had there is kept aside. */
  keptAside: boolean;
}

/** The running executable, even where its path now leads to another file or to none. */
const RUNNING = "/proc/self/exe";
/** How long to wait for another installation into the same directory. Milliseconds. */
const LOCK_MS = 120_000;

/**
 * Installs the running executable.
 *
 * @throws {CniError} code 5 saying what could not be done, and what state the directory is in
 */
export async function install(options: InstallOptions): Promise<InstallReport> {
  const own = requireContents();
  const existing = realDirectory(options.directory);
  if (options.dryRun) {
    const directory = new ExecutableDirectory(existing ?? options.directory);
    return new Installation(directory, own, options, existing === undefined).report();
  }
  const real = existing ?? makeDirectory(options.directory);
  using _lock = await FileLock.acquire(real, { deadlineMs: LOCK_MS, create: false });
  const directory = new ExecutableDirectory(real);
  const installation = new Installation(directory, own, options, existing === undefined);
  await installation.carryOut();
  return installation.report();
}

/** One file that an installation makes. */
interface Wanted {
  name: string;
  command: string;
  form: "executable" | "hard link" | "copy" | "symbolic link" | "client";
  owner: Owner;
  isThere: boolean;
}

/** An installation into one directory, which is locked except in a dry run. */
class Installation {
  readonly #record: InstallationRecord;
  readonly #installed: Installed | undefined;
  readonly #client: Uint8Array;
  /** The executable first: links are made to it. */
  readonly #wanted: readonly Wanted[];
  readonly #notes: string[] = [];

  constructor(
    readonly directory: ExecutableDirectory,
    own: Contents,
    readonly options: InstallOptions,
    readonly created: boolean,
  ) {
    this.#record = new InstallationRecord(directory.path);
    this.#installed = this.#record.read();
    this.#client = clientFor(directory, own);
    const commands = this.#commands(own);
    const owned = [...commands].map(([name, command]) => ({
      name,
      command,
      form: this.#formOf(name, command, own),
      owner: directory.ownerOf(name, this.#installed),
    }));
    const executable = { ...owned[0]!, isThere: this.#isThere(owned[0]!, true) };
    this.#wanted = [
      executable,
      ...owned.slice(1).map((file) => ({
        ...file,
        isThere: this.#isThere(file, executable.isThere),
      })),
    ];
  }

  report(): InstallReport {
    return {
      directory: this.directory.path,
      version: BUILD_VERSION,
      dryRun: this.options.dryRun,
      created: this.created,
      files: this.#wanted.map(({ name, command, owner, isThere }) => ({
        name,
        command,
        action: isThere ? "unchanged" : owner === "nobody" ? "added" : "replaced",
        keptAside: owner === "somebody",
      })),
      notes: this.#notes,
    };
  }

  async carryOut(): Promise<void> {
    const { directory } = this;
    const changed = this.#wanted.filter(({ isThere }) => !isThere);
    const retained = changed[0]?.name === OWN_NAME ? this.#retained() : [];
    const { unfinished, finished } = this.#records();
    if (changed.length === 0 && this.#isNoted(finished)) return;
    try {
      directory.prepare();
      this.#stage(changed);
      for (const name of retained) this.#stageOlder(name);
      if (changed[0]?.name === OWN_NAME) await this.#tryStaged();
      this.#record.write(unfinished);
      for (const [name, command] of this.options.renames) directory.rename(name, command);
    } catch (error) {
      this.#giveUp();
      throw this.#failure(error, "what is there was left as it was");
    }
    try {
      for (const name of retained) directory.put(name); // While the executable is the older one.
      for (const { name, owner } of changed) {
        if (owner === "somebody") directory.keepAside(name);
        directory.put(name);
      }
      syncDirectory(directory.path);
      this.#record.write(finished);
      directory.discardStaged();
    } catch (error) {
      throw this.#failure(error, "every name is whole, old or new; installing again goes on");
    }
  }

  /**
   * Lists the names that only an older version has and that lead to its executable, which is about to
   * be replaced: symbolic links and clients. They become that executable.
   */
  #retained(): string[] {
    const { directory } = this;
    const installed = this.#installed;
    const isOurs = (name: string) => directory.ownerOf(name, installed) === "installation";
    if (!installed || !isOurs(OWN_NAME)) return [];
    const wanted = new Set(this.#wanted.map(({ name }) => name));
    return installed.names.filter((name) => {
      if (wanted.has(name) || !isOurs(name)) return false;
      const { isSymlink, size } = directory.infoOf(name)!;
      return isSymlink || size <= CLIENT_LIMIT;
    });
  }

  /**
   * Makes the record for while the installation is under way, and the one for when it is finished.
   */
  #records(): { unfinished: Installed; finished: Installed } {
    const { files: oldFiles, names: oldNames } = this.#installed ?? { files: [], names: [] };
    const wanted = this.#wanted.map(({ name }) => name);
    const files = this.#fingerprints();
    const names = [...new Set([...oldNames, ...wanted])].sort();
    const unfinished = { version: BUILD_VERSION, files: distinct([...files, ...oldFiles]), names };
    // The names that this version does not have still lead to an older version's files.
    const isAll = oldNames.every((name) => wanted.includes(name));
    return { unfinished, finished: isAll ? { ...unfinished, files } : unfinished };
  }

  /** Tells whether the directory has the record and the renames of this installation already. */
  #isNoted(record: Installed): boolean {
    const noted = this.directory.renames();
    return this.#installed !== undefined && sameRecord(this.#installed, record) &&
      [...this.options.renames].every(([name, command]) => noted.get(name) === command);
  }

  /** Lists the names, with their commands: those asked for, and those of earlier installations. */
  #commands({ plugins, tools }: Contents): Map<string, string> {
    const { only, renames } = this.options;
    const has = new Set([...plugins, ...tools]);
    for (const name of [...only, ...renames.values()]) {
      if (has.has(name)) continue;
      throw CniError.invalidConfig(
        `this executable has no ${name}; it has ${[...has].sort().join(", ")}`,
      );
    }
    const taken = [...renames.keys()].find((name) => has.has(name) || name === OWN_NAME);
    if (taken !== undefined) {
      throw CniError.invalidConfig(
        `${taken} is what it is under its own name, and can be no other`,
      );
    }
    const asked = only.length > 0 ? only : [...has];
    const earlier = (this.#installed?.names ?? []).filter((name) => has.has(name));
    const commands = new Map([[OWN_NAME, OWN_NAME]]);
    for (const name of [...asked, ...earlier].sort()) commands.set(name, name);
    for (const [name, command] of [...this.directory.renames(), ...renames]) {
      if (has.has(command)) commands.set(name, command);
    }
    return commands;
  }

  #formOf(name: string, command: string, { plugins }: Contents): Wanted["form"] {
    if (name === OWN_NAME) return "executable";
    if (this.options.resident && plugins.includes(command)) return "client";
    const forms = { hard: "hard link", symlink: "symbolic link", copy: "copy" } as const;
    return forms[this.options.links];
  }

  /** Tells whether a name is already what it is to be. */
  #isThere({ name, form, owner }: Omit<Wanted, "isThere">, executableIsThere: boolean): boolean {
    if (owner !== "installation") return false;
    const { directory } = this;
    const info = directory.infoOf(name)!;
    if (form === "symbolic link") return info.isSymlink;
    if (info.isSymlink) return false;
    if (form === "client") {
      return (info.mode & 0o777) === 0o755 && info.size === this.#client.length &&
        runtime.sha512Hex(runtime.files.read(directory.file(name))) ===
          runtime.sha512Hex(this.#client);
    }
    const executable = directory.infoOf(OWN_NAME);
    const isLink = isSameFile(executable, info);
    if (form === "hard link") return isLink && executableIsThere;
    return (form === "executable" || !isLink) && directory.hasContent(name, RUNNING);
  }

  /** Computes the fingerprints of this installation's files. */
  #fingerprints(): Fingerprint[] {
    const client = { size: this.#client.length, head: runtime.sha512Hex(this.#client) };
    return [fingerprint(RUNNING), client];
  }

  /** Makes files, but not in their places yet. */
  #stage(files: readonly Wanted[]): void {
    const { directory } = this;
    const isNew = files[0]?.name === OWN_NAME;
    const executable = isNew ? directory.staged(OWN_NAME) : directory.file(OWN_NAME);
    let copies = 0;
    for (const { name, form } of files) {
      const path = directory.staged(name);
      if (form === "symbolic link") {
        runtime.files.symlink(OWN_NAME, path);
      } else if (form === "client") {
        runtime.files.write(path, this.#client, { mode: 0o755, create: "new", sync: true });
        runtime.files.chmod(path, 0o755);
      } else if (form !== "hard link" || !linked(executable, path)) {
        copyExecutable(RUNNING, path);
        if (form === "hard link") copies++;
      }
    }
    if (copies > 0) {
      this.#notes.push(
        `${copies} names are copies: the file system of ${directory.path} makes no hard links`,
      );
    }
  }

  /** Makes a file with the executable that is there. */
  #stageOlder(name: string): void {
    const [executable, path] = [this.directory.file(OWN_NAME), this.directory.staged(name)];
    if (!linked(executable, path)) copyExecutable(executable, path);
  }

  /** Tries to start the executable on the file system where it will be, and notes if it cannot. */
  async #tryStaged(): Promise<void> {
    try {
      await runtime.run(this.directory.staged(OWN_NAME), ["version"], { timeoutMs: 20_000 });
    } catch (error) {
      // Without /dev/null, as in a bare chroot, no program can be started from here.
      if (errnoCode(error) !== "EACCES") return;
      this.#notes.push(
        `nothing in ${this.directory.path} can be executed as it is mounted here (noexec); ` +
          "that is fine for an image that is used elsewhere",
      );
    }
  }

  /** Removes what a failed installation has made, as far as that is possible. */
  #giveUp(): void {
    try {
      if (this.#installed) {
        this.directory.discardStaged();
        return;
      }
      this.#record.remove();
      this.directory.removeAdministration();
      if (this.created) removeIfPresent(this.directory.path);
    } catch {
      // The installation's error says what is wrong; the next one removes the rest.
    }
  }

  #failure(error: unknown, state: string): CniError {
    return CniError.io(`cannot install into ${this.directory.path}: ${messageOf(error)}; ${state}`);
  }
}

/**
 * Returns this executable's contents.
 *
 * @throws {CniError} code 7 where the program runs from source
 */
function requireContents(): Contents {
  const own = contents();
  if (own) return own;
  throw CniError.invalidConfig(
    `only an executable can install itself, and this is ${runtime.name} running the sources; ` +
      "deno task build makes one",
  );
}

/** Makes the client for a directory: with the path of the executable there, if that is safe. */
function clientFor(directory: ExecutableDirectory, { client }: Contents): Uint8Array {
  const bytes = Uint8Array.from(atob(client), (char) => char.charCodeAt(0));
  const executable = directory.file(OWN_NAME);
  if (fitsClient(executable) && isRootsAlone(directory.path)) writeExecutable(bytes, executable);
  return bytes;
}

/**
 * Tells whether only root can put a file at a path in a directory: it and all above it are root's,
 * and nobody else may write there. The directory may be one of an image that is being made, whose
 * clients root executes on other machines. Below `/tmp` or a home the path would be a user's there.
 */
function isRootsAlone(directory: string): boolean {
  for (let path = directory;; path = path.slice(0, path.lastIndexOf("/"))) {
    const info = ifPresent(() => runtime.files.stat(path || "/"));
    if (info?.uid !== 0 || (info.mode & 0o022) !== 0) return false;
    if (path === "" || path === "/") return true;
  }
}

/**
 * Finds the real path of a directory, through symbolic links; undefined where there is none yet.
 * @throws {CniError} code 5 where its name is taken by something else
 */
export function realDirectory(path: string): string | undefined {
  const { files } = runtime;
  const info = ifPresent(() => files.stat(path));
  if (!info) {
    if (!ifPresent(() => files.lstat(path))) return undefined;
    throw CniError.io(
      `${path} is a symbolic link to ${files.readLink(path)}, which does not exist`,
    );
  }
  if (!info.isDirectory) throw CniError.io(`${path} is no directory`);
  return files.realPath(path);
}

function makeDirectory(path: string): string {
  const { files } = runtime;
  try {
    files.makeDirectory(path, 0o755);
    files.chmod(path, 0o755);
    return files.realPath(path);
  } catch (error) {
    throw CniError.io(`cannot make the directory ${path}: ${messageOf(error)}`);
  }
}

function distinct(files: readonly Fingerprint[]): Fingerprint[] {
  return files.filter(({ size, head }, index) =>
    files.findIndex((other) => other.size === size && other.head === head) === index
  );
}
