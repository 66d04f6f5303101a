import { run } from "../build/run.ts";
import { cpio, DIRECTORY, type Entry, FILE } from "./cpio.ts";
import type { Kernel } from "./kernel.ts";

/** The modules for the machine's file system: virtio's bus, 9p over it, and overlayfs on top. */
const MODULES = ["virtio_pci", "9p", "9pnet_virtio", "overlay"];

/** Mount points that `guest/init.sh` uses. */
const DIRECTORIES = ["bin", "changes", "dev", "machine", "modules", "proc", "root", "sys"];

/**
 * Makes the initial RAM file system: `guest/init.sh`, busybox to run it, and the modules it loads.
 */
export async function initramfs(kernel: Kernel): Promise<Uint8Array> {
  const init = await Deno.readFile(new URL("guest/init.sh", import.meta.url));
  const busybox = await Deno.readFile("/bin/busybox");
  return cpio([
    ...DIRECTORIES.map((name) => ({ name, mode: DIRECTORY })),
    { name: "init", mode: FILE, data: init },
    { name: "bin/busybox", mode: FILE, data: busybox },
    ...await modules(kernel),
  ]);
}

/** Reads the modules and their dependencies; their names sort in the order to load them in. */
async function modules({ root, release }: Kernel): Promise<Entry[]> {
  const { stdout } = await run("modprobe", [
    ...["--dirname", root, "--set-version", release],
    ...["--show-depends", "--all", ...MODULES],
  ]);
  // One line each: `insmod PATH`; what is built in says `builtin NAME`.
  const paths = new Set(
    stdout.split("\n").flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []),
  );
  return [...paths].map((path, i) => ({
    name: `modules/${String(i).padStart(2, "0")}-${path.slice(path.lastIndexOf("/") + 1)}`,
    mode: FILE,
    data: Deno.readFileSync(path),
  }));
}
