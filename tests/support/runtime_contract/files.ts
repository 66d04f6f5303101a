/** Files: what they hold, their attributes, and the errors' names. */
import { type Case, codeOf } from "./case.ts";

export const FILES: readonly Case[] = [
  {
    name: "read() and readText() give what write() was given",
    expected: { text: "grün\n", bytes: [0, 255, 10], empty: 0 },
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/text`, "grün\n");
      files.write(`${directory}/bytes`, Uint8Array.of(0, 255, 10));
      files.write(`${directory}/empty`, "");
      return {
        text: files.readText(`${directory}/text`),
        bytes: [...files.read(`${directory}/bytes`)],
        empty: files.read(`${directory}/empty`).length,
      };
    },
  },
  {
    name: "read() and readText() name what is wrong",
    expected: ["ENOENT", "ENOENT", "EISDIR", "EISDIR", "ENOTDIR", "ELOOP", "ENAMETOOLONG"],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "");
      files.symlink("loop", `${directory}/loop`);
      return [
        codeOf(() => files.read(`${directory}/none`)),
        codeOf(() => files.readText(`${directory}/none`)),
        codeOf(() => files.read(directory)),
        codeOf(() => files.readText(directory)),
        codeOf(() => files.read(`${directory}/file/x`)),
        codeOf(() => files.read(`${directory}/loop`)),
        codeOf(() => files.read(`${directory}/${"x".repeat(300)}`)),
      ];
    },
  },
  {
    name: "a path with NUL in it reaches no file",
    expected: [false, false],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "content");
      const reaches = (work: () => unknown) => {
        try {
          work();
          return true;
        } catch {
          return false;
        }
      };
      return [
        reaches(() => files.read(`${directory}/file\0x`)),
        reaches(() => files.write(`${directory}/file\0x`, "")),
      ];
    },
  },
  {
    name: "write() replaces the whole content and keeps the mode of a file that is there",
    expected: { text: "b", mode: 0o600 },
    run({ runtime: { files }, directory }) {
      const path = `${directory}/file`;
      files.write(path, "long content", { mode: 0o600 });
      files.write(path, "b", { mode: 0o644, sync: true });
      return { text: files.readText(path), mode: files.stat(path).mode & 0o7777 };
    },
  },
  {
    name: "write() makes a file with 0644, or the mode it is given, less the umask",
    expected: [0o644, 0o600, 0o755, 0o600],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/a`, "");
      files.write(`${directory}/b`, "", { mode: 0o600 });
      files.write(`${directory}/c`, "", { mode: 0o777 });
      files.write(`${directory}/d`, "", { mode: 0o600, create: "new", sync: true });
      return ["a", "b", "c", "d"].map((name) => files.stat(`${directory}/${name}`).mode & 0o7777);
    },
  },
  {
    name: "write() with create: new refuses a file that is there, and leaves it alone",
    expected: ["EEXIST", "old", "EEXIST"],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "old");
      files.symlink("dangling", `${directory}/link`);
      return [
        codeOf(() => files.write(`${directory}/file`, "new", { create: "new" })),
        files.readText(`${directory}/file`),
        codeOf(() => files.write(`${directory}/link`, "new", { create: "new" })),
      ];
    },
  },
  {
    name: "write() with create: never refuses a file that is not there, and truncates one that is",
    expected: ["ENOENT", [], "b"],
    run({ runtime: { files }, directory }) {
      const refused = codeOf(() => files.write(`${directory}/file`, "a", { create: "never" }));
      const names = files.list(directory);
      files.write(`${directory}/file`, "long");
      files.write(`${directory}/file`, "b", { create: "never" });
      return [refused, names, files.readText(`${directory}/file`)];
    },
  },
  {
    name: "write() over a file leaves nothing of it, in the same file; and makes one",
    expected: [["b", "longer", "c"], true, ["file", "new"]],
    run({ runtime: { files }, directory }) {
      const [path, other] = [`${directory}/file`, `${directory}/new`];
      files.write(path, "long");
      const { ino } = files.stat(path);
      const texts = ["b", "longer"].map((text) => {
        files.write(path, text, { create: "never", over: true });
        return files.readText(path);
      });
      files.write(other, "c", { over: true });
      texts.push(files.readText(other));
      return [texts, files.stat(path).ino === ino, files.list(directory).sort()];
    },
  },
  {
    name: "write() names what is wrong",
    expected: ["ENOENT", "EISDIR", "ENOTDIR"],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "");
      return [
        codeOf(() => files.write(`${directory}/none/file`, "")),
        codeOf(() => files.write(directory, "")),
        codeOf(() => files.write(`${directory}/file/x`, "")),
      ];
    },
  },
  {
    name: "rename() replaces, and names what is wrong",
    expected: [undefined, "a", ["b"], "ENOENT", "ENOTEMPTY", "EISDIR", "ENOTDIR"],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/a`, "a");
      files.write(`${directory}/b`, "b");
      const done = codeOf(() => files.rename(`${directory}/a`, `${directory}/b`));
      const [text, names] = [files.readText(`${directory}/b`), files.list(directory)];
      files.makeDirectory(`${directory}/d/inner`);
      files.makeDirectory(`${directory}/e`);
      return [
        done,
        text,
        names,
        codeOf(() => files.rename(`${directory}/none`, `${directory}/x`)),
        codeOf(() => files.rename(`${directory}/e`, `${directory}/d`)),
        codeOf(() => files.rename(`${directory}/b`, `${directory}/e`)),
        codeOf(() => files.rename(`${directory}/e`, `${directory}/b`)),
      ];
    },
  },
  {
    name: "link() makes one file of two names",
    expected: [true, "EEXIST", "ENOENT"],
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/a`, "");
      files.link(`${directory}/a`, `${directory}/b`);
      return [
        files.stat(`${directory}/a`).ino === files.stat(`${directory}/b`).ino,
        codeOf(() => files.link(`${directory}/a`, `${directory}/b`)),
        codeOf(() => files.link(`${directory}/none`, `${directory}/c`)),
      ];
    },
  },
  {
    name: "symbolic links are made, read, followed, and described by lstat()",
    expected: {
      target: "../elsewhere",
      errors: ["EINVAL", "ENOENT", "EEXIST", "ENOENT"],
      real: true,
      followed: [true, false],
      itself: [false, true],
    },
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "");
      files.symlink("../elsewhere", `${directory}/dangling`);
      files.symlink("file", `${directory}/link`);
      const kind = (info: { isFile: boolean; isSymlink: boolean }) => [info.isFile, info.isSymlink];
      return {
        target: files.readLink(`${directory}/dangling`),
        errors: [
          codeOf(() => files.readLink(`${directory}/file`)),
          codeOf(() => files.readLink(`${directory}/none`)),
          codeOf(() => files.symlink("x", `${directory}/link`)),
          codeOf(() => files.realPath(`${directory}/dangling`)),
        ],
        real: files.realPath(`${directory}/link`) === `${files.realPath(directory)}/file`,
        followed: kind(files.stat(`${directory}/link`)),
        itself: kind(files.lstat(`${directory}/link`)),
      };
    },
  },
  {
    name: "exists() finds what is there, and takes for that what may not be looked at",
    expected: { there: [true, true, true, true], missing: [false, false, false], unknown: true },
    run({ runtime: { files }, directory }) {
      files.write(`${directory}/file`, "");
      files.symlink("file", `${directory}/link`);
      files.symlink("nowhere", `${directory}/dangling`);
      return {
        there: ["", "/file", "/link", "/dangling"].map((name) => files.exists(directory + name)),
        missing: ["/none", "/none/x", "/file/x"].map((name) => files.exists(directory + name)),
        unknown: files.exists(`${directory}/${"x".repeat(300)}`),
      };
    },
  },
  {
    name: "remove() takes files, links and empty directories, and nothing else",
    expected: ["ENOTEMPTY", "ENOENT", "ENOTDIR", ["full"], ["inner"]],
    run({ runtime: { files }, directory }) {
      files.makeDirectory(`${directory}/full/inner`);
      files.makeDirectory(`${directory}/empty`);
      files.write(`${directory}/file`, "");
      files.symlink("full", `${directory}/link`);
      const errors = [
        codeOf(() => files.remove(`${directory}/full`)),
        codeOf(() => files.remove(`${directory}/none`)),
        codeOf(() => files.remove(`${directory}/file/x`)),
      ];
      for (const name of ["empty", "file", "link"]) files.remove(`${directory}/${name}`);
      return [...errors, files.list(directory), files.list(`${directory}/full`)];
    },
  },
  {
    name: "makeDirectory() makes those above too, and is content with one that is there",
    expected: { modes: [0o700, 0o700], again: undefined, errors: ["EEXIST", "ENOTDIR"] },
    run({ runtime: { files }, directory }) {
      files.makeDirectory(`${directory}/a/b`, 0o700);
      files.write(`${directory}/file`, "");
      const mode = (name: string) => files.stat(`${directory}/${name}`).mode & 0o7777;
      return {
        modes: [mode("a"), mode("a/b")],
        again: codeOf(() => files.makeDirectory(`${directory}/a/b`)),
        errors: [
          codeOf(() => files.makeDirectory(`${directory}/file`)),
          codeOf(() => files.makeDirectory(`${directory}/file/x`)),
        ],
      };
    },
  },
  {
    name: "list() gives names, and names what is wrong",
    expected: [[".hidden", "a", "ä"], "ENOENT", "ENOTDIR"],
    run({ runtime: { files }, directory }) {
      for (const name of ["a", ".hidden", "ä"]) files.write(`${directory}/${name}`, "");
      return [
        files.list(directory).sort(),
        codeOf(() => files.list(`${directory}/none`)),
        codeOf(() => files.list(`${directory}/a`)),
      ];
    },
  },
  {
    name: "stat() tells kind, size, mode, time and what identifies a file",
    expected: {
      kind: [true, false, false],
      directory: [false, true, false],
      size: 5,
      mode: 0o100640,
      modifiedMs: 1_700_000_000_000,
      isChangedNow: true,
      same: true,
      errors: ["ENOENT", "ENOTDIR", "ENOENT"],
    },
    run({ runtime: { files }, directory }) {
      const path = `${directory}/file`;
      files.write(path, "12345");
      files.chmod(path, 0o640);
      files.setModified(path, 1_700_000_000_000);
      const { isFile, isDirectory, isSymlink, size, mode, dev, ino, ...times } = files.stat(path);
      const { modifiedMs, changedMs } = times;
      const above = files.stat(directory);
      return {
        kind: [isFile, isDirectory, isSymlink],
        directory: [above.isFile, above.isDirectory, above.isSymlink],
        size,
        mode,
        modifiedMs,
        isChangedNow: Math.abs(Date.now() - changedMs) < 60_000,
        same: dev === above.dev && ino !== above.ino && ino > 0,
        errors: [
          codeOf(() => files.stat(`${directory}/none`)),
          codeOf(() => files.lstat(`${path}/x`)),
          codeOf(() => files.chmod(`${directory}/none`, 0)),
        ],
      };
    },
  },
  {
    name: "files under /proc, whose size is 0, are read whole",
    expected: [0, true],
    run({ runtime: { files } }) {
      const text = files.readText("/proc/self/status");
      return [files.stat("/proc/self/status").size, text.includes("\nPid:")];
    },
  },
];
