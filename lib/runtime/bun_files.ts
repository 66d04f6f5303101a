/**
 * Files for Bun, through the C library: loading `node:fs` takes a plugin 2 ms, a fifth of its
 * start, and the C library is loaded already.
 *
 * @module
 */
import { cString } from "./c_string.ts";
import { errnoInfo, errnoNumber } from "./errno.ts";
import { readToEnd } from "./read_to_end.ts";
import type { Bound, FileInfo, Files, Symbols } from "./types.ts";
import { untilReady } from "./until_ready.ts";

/** `fcntl.h`, the values of x86-64 and arm64 alike. */
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** The call's number, from `sys/syscall.h`: musl before 1.2.5 has no function for it. */
const SYS_STATX = process.arch === "arm64" ? 291 : 332;
/** `linux/stat.h` */
const STATX_BASIC_STATS = 0x7ff;
const S_IFMT = 0o170000;
const [S_IFREG, S_IFDIR, S_IFLNK] = [0o100000, 0o040000, 0o120000];

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** `limits.h`, the NUL included. */
const PATH_MAX = 4096;
/** `struct dirent`: where the name begins. `dirent.h` */
const DIRENT_NAME = 19;

const [EINTR, EEXIST, ENOENT, ENOTDIR] = [
  errnoNumber("EINTR"),
  errnoNumber("EEXIST"),
  errnoNumber("ENOENT"),
  errnoNumber("ENOTDIR"),
];

/** The C functions behind {@link bunFiles}. */
export const FILE_SYMBOLS = {
  open: ["i32", "buffer", "i32", "u32"], //                int open(const char *path, int flags, mode_t mode)
  close: ["i32", "i32"], //                                int close(int fd)
  read: ["i64", "i32", "buffer", "usize"], //              ssize_t read(int fd, void *, size_t)
  write: ["i64", "i32", "buffer", "usize"], //             ssize_t write(int fd, const void *, size_t)
  fsync: ["i32", "i32"], //                                int fsync(int fd)
  ftruncate: ["i32", "i32", "i64"], //                     int ftruncate(int fd, off_t length)
  rename: ["i32", "buffer", "buffer"], //                  int rename(const char *from, const char *to)
  link: ["i32", "buffer", "buffer"], //                    int link(const char *existing, const char *path)
  symlink: ["i32", "buffer", "buffer"], //                 int symlink(const char *target, const char *path)
  readlink: ["i64", "buffer", "buffer", "usize"], //       ssize_t readlink(const char *path, char *, size_t)
  realpath: ["pointer", "buffer", "buffer"], //            char *realpath(const char *path, char *resolved)
  unlink: ["i32", "buffer"], //                            int unlink(const char *path)
  rmdir: ["i32", "buffer"], //                             int rmdir(const char *path)
  mkdir: ["i32", "buffer", "u32"], //                      int mkdir(const char *path, mode_t mode)
  chmod: ["i32", "buffer", "u32"], //                      int chmod(const char *path, mode_t mode)
  syscall: ["i64", "i64", "i32", "buffer", "i32", "u32", "buffer"], // long syscall(SYS_statx, int dir, const char *path, int flags, unsigned mask, struct statx *)
  utimensat: ["i32", "i32", "buffer", "buffer", "i32"], // int utimensat(int dir, const char *path, const struct timespec[2], int flags)
  opendir: ["pointer", "buffer"], //                       DIR *opendir(const char *path)
  readdir: ["pointer", "pointer"], //                      struct dirent *readdir(DIR *)
  closedir: ["i32", "pointer"], //                         int closedir(DIR *)
  isatty: ["i32", "i32"], //                               int isatty(int fd)
} as const satisfies Symbols;

/** The C library, as far as files need it. */
export interface FileLibrary {
  /** Its functions, loaded at the first use. */
  readonly functions: Bound<typeof FILE_SYMBOLS>;
  /** C `errno`, in the one element. */
  readonly errno: Int32Array;
  /** Reads the C string at an address. */
  text(address: number): string;
}

/** Files, and the descriptors that every process has. */
export interface BunFiles {
  files: Files;
  /** Reads from a descriptor. Returns how many bytes came, 0 at the end. */
  read(descriptor: number, into: Uint8Array): number;
  /** Writes all of `bytes` to a descriptor. */
  write(descriptor: number, bytes: Uint8Array): void;
  isTerminal(descriptor: number): boolean;
}

/** Makes the files of Bun's runtime. @see Files */
export function bunFiles(c: FileLibrary): BunFiles {
  /** Makes a call, again where a signal interrupted it. */
  function call(invoke: () => number | bigint, what: string): number {
    for (;;) {
      const result = Number(invoke());
      if (result !== -1) return result;
      if (c.errno[0]! !== EINTR) throw failure(c.errno[0]!, what);
    }
  }

  function read(descriptor: number, into: Uint8Array, what = "read"): number {
    return call(() => c.functions.read(descriptor, into, into.length), what);
  }

  function write(descriptor: number, bytes: Uint8Array, what = "write"): void {
    for (let done = 0; done < bytes.length;) {
      const rest = bytes.subarray(done);
      done += untilReady(() => call(() => c.functions.write(descriptor, rest, rest.length), what));
    }
  }

  /** Opens a file for as long as `work` takes. */
  function withFile<T>(path: string, flags: number, mode: number, work: (fd: number) => T): T {
    const name = cString(path);
    const fd = call(() => c.functions.open(name, flags | O_CLOEXEC, mode), `open ${path}`);
    try {
      return work(fd);
    } finally {
      c.functions.close(fd);
    }
  }

  function stat(path: string, flags: number): FileInfo {
    const [name, buffer] = [cString(path), new Uint8Array(256)]; // struct statx
    call(
      () => c.functions.syscall(SYS_STATX, AT_FDCWD, name, flags, STATX_BASIC_STATS, buffer),
      `look at ${path}`,
    );
    return fileInfo(new DataView(buffer.buffer));
  }

  function callWithPath(name: "unlink" | "rmdir", path: string): void {
    const text = cString(path);
    call(() => c.functions[name](text), `${name} ${path}`);
  }

  function callWithPaths(name: "rename" | "link" | "symlink", from: string, to: string): void {
    const [first, second] = [cString(from), cString(to)];
    call(() => c.functions[name](first, second), `${name} ${from} ${to}`);
  }

  const files: Files = {
    read: (path) =>
      withFile(
        path,
        O_RDONLY,
        0,
        (fd) => readToEnd((into) => read(fd, into, `read ${path}`), Infinity),
      ),
    readText: (path) => DECODER.decode(files.read(path)),
    write(path, data, { mode = 0o644, create, sync, over } = {}) {
      const how = create === "new"
        ? O_CREAT | O_EXCL
        : (create === "never" ? 0 : O_CREAT) | (over ? 0 : O_TRUNC);
      withFile(path, O_WRONLY | how, mode, (fd) => {
        const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
        write(fd, bytes, `write ${path}`);
        if (over) call(() => c.functions.ftruncate(fd, bytes.length), `truncate ${path}`);
        if (sync) call(() => c.functions.fsync(fd), `sync ${path}`);
      });
    },
    rename: (from, to) => callWithPaths("rename", from, to),
    link: (existing, path) => callWithPaths("link", existing, path),
    symlink: (target, path) => callWithPaths("symlink", target, path),
    readLink(path) {
      const [name, target] = [cString(path), new Uint8Array(PATH_MAX)];
      const length = call(
        () => c.functions.readlink(name, target, target.length),
        `readlink ${path}`,
      );
      return DECODER.decode(target.subarray(0, length));
    },
    realPath(path) {
      const [name, resolved] = [cString(path), new Uint8Array(PATH_MAX)];
      if (!c.functions.realpath(name, resolved)) throw failure(c.errno[0]!, `find ${path}`);
      return DECODER.decode(resolved.subarray(0, resolved.indexOf(0)));
    },
    remove(path) {
      try {
        callWithPath("unlink", path);
      } catch (error) {
        if ((error as { code?: string }).code !== "EISDIR") throw error;
        callWithPath("rmdir", path);
      }
    },
    makeDirectory(path, mode = 0o777) {
      // That it is there is no exception, which would take longer than the call.
      if (Number(c.functions.mkdir(cString(path), mode)) !== -1) return;
      const errno = c.errno[0]!;
      if (errno === EEXIST && isDirectory(path)) return;
      const parent = errno === ENOENT ? path.replace(/\/+[^/]*\/*$/, "") : "";
      if (parent === "" || parent === path) throw failure(errno, `mkdir ${path}`);
      files.makeDirectory(parent, mode);
      files.makeDirectory(path, mode);
    },
    exists(path) {
      // EINVAL: a file that is no symbolic link.
      const length = c.functions.readlink(cString(path), new Uint8Array(1), 1);
      return Number(length) !== -1 || ![ENOENT, ENOTDIR].includes(c.errno[0]!);
    },
    list(path) {
      const name = cString(path);
      const directory = c.functions.opendir(name);
      if (!directory) throw failure(c.errno[0]!, `list ${path}`);
      try {
        const names: string[] = [];
        for (;;) {
          c.errno[0] = 0; // readdir(3) returns NULL at the end as on an error: only errno differs.
          const entry = c.functions.readdir(directory);
          if (!entry) break;
          const name = c.text(Number(entry) + DIRENT_NAME);
          if (name !== "." && name !== "..") names.push(name);
        }
        if (c.errno[0]! !== 0) throw failure(c.errno[0]!, `list ${path}`);
        return names;
      } finally {
        c.functions.closedir(directory);
      }
    },
    stat: (path) => stat(path, 0),
    lstat: (path) => stat(path, AT_SYMLINK_NOFOLLOW),
    chmod(path, mode) {
      const name = cString(path);
      call(() => c.functions.chmod(name, mode), `chmod ${path}`);
    },
    setModified(path, ms) {
      const seconds = Math.floor(ms / 1000);
      const nanoseconds = Math.floor(ms - seconds * 1000) * 1e6;
      const time = [BigInt(seconds), BigInt(nanoseconds)];
      const times = new BigInt64Array([...time, ...time]);
      const name = cString(path);
      call(() => c.functions.utimensat(AT_FDCWD, name, times, 0), `set the time of ${path}`);
    },
  };

  function isDirectory(path: string): boolean {
    try {
      return files.stat(path).isDirectory;
    } catch {
      return false;
    }
  }

  return { files, read, write, isTerminal: (descriptor) => c.functions.isatty(descriptor) === 1 };
}

/** Reads what statx(2) returned. @param statx `struct statx` of `linux/stat.h` */
function fileInfo(statx: DataView): FileInfo {
  const u64 = (offset: number) => Number(statx.getBigUint64(offset, true));
  const milliseconds = (offset: number) =>
    u64(offset) * 1000 + Math.floor(statx.getUint32(offset + 8, true) / 1e6);
  const mode = statx.getUint16(28, true);
  const [major, minor] = [statx.getUint32(136, true), statx.getUint32(140, true)];
  return {
    isFile: (mode & S_IFMT) === S_IFREG,
    isDirectory: (mode & S_IFMT) === S_IFDIR,
    isSymlink: (mode & S_IFMT) === S_IFLNK,
    size: u64(40),
    mode,
    uid: statx.getUint32(20, true),
    dev: deviceNumber(major, minor),
    ino: u64(32),
    modifiedMs: milliseconds(112),
    changedMs: milliseconds(96),
  };
}

/** Computes a device number as in `st_dev`: makedev(3). */
function deviceNumber(major: number, minor: number): number {
  const high = major - (major & 0xfff);
  const middle = minor - (minor & 0xff);
  return high * 2 ** 32 + middle * 2 ** 12 + (major & 0xfff) * 2 ** 8 + (minor & 0xff);
}

function failure(errno: number, what: string): Error {
  const { name, text } = errnoInfo(errno);
  return Object.assign(new Error(`cannot ${what}: ${name} (${text})`), { code: name });
}
