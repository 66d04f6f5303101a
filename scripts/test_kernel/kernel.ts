import { run } from "../build/run.ts";
import { type Progress, size } from "../build/progress.ts";
import { cacheDirectory, isFile } from "../support/files.ts";
import { downloadPackage, kernelPackage } from "./packages.ts";

/** An unpacked kernel. */
export interface Kernel {
  /** What `uname -r` prints on it. */
  release: string;
  /** Path of the image to boot. */
  image: string;
  /** The directory that holds its `lib/modules`. */
  root: string;
}

/**
 * Finds Debian's current stable kernel; downloads and unpacks it when it is not in the cache.
 * @param signal ends that when aborted, and leaves nothing behind
 */
export async function fetchKernel(progress: Progress, signal: AbortSignal): Promise<Kernel> {
  const name = await kernelPackage(signal);
  const cache = `${cacheDirectory("the kernel")}/cni-test-kernel`;
  const root = `${cache}/${name}`;
  const release = name.slice("linux-image-".length);
  const kernel = { release, root, image: `${root}/boot/vmlinuz-${release}` };
  if (isFile(kernel.image)) return kernel;
  await Deno.mkdir(cache, { recursive: true });
  // It gets its own name only once everything is unpacked, so it is complete or absent.
  const work = await Deno.makeTempDir({ dir: cache, prefix: ".unpacking-" });
  try {
    const file = await progress.step(
      "download",
      name,
      () => downloadPackage(name, work, signal),
      (file) => `${name}: ${size(Deno.statSync(file).size)}`,
    );
    await progress.step(
      "unpack",
      name,
      () => unpack(file, release, `${work}/root`, signal),
      () => root,
    );
    await Deno.rename(`${work}/root`, root).catch((error) => {
      if (!isFile(kernel.image)) throw error; // else another run was faster
    });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return kernel;
}

async function unpack(
  file: string,
  release: string,
  root: string,
  signal: AbortSignal,
): Promise<void> {
  await run("dpkg", ["--extract", file, root], { signal });
  // Debian 13 ships modules below /usr/lib only; modprobe looks below /lib.
  await Deno.symlink("usr/lib", `${root}/lib`).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
  await run("depmod", ["--basedir", root, release], { signal });
}
