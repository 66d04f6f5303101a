import { systemConfiguration } from "../../libc/symbols.ts";
import { decodeText } from "../../runtime/decode.ts";
import { runtime } from "../../runtime/mod.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** `_CS_GNU_LIBC_VERSION` of `unistd.h`, as "glibc 2.36"; musl does not have it. confstr(3) */
const CS_GNU_LIBC_VERSION = 2;

/** The oldest glibc that each runtime's base executables can use, by their symbols' versions. */
const LEAST_GLIBC = { bun: "2.17", deno: "2.27" };

/** The most memory that a call takes, without the programs that it runs, in kilobytes. */
const CALL_KB = 64 * 1024;

/** Examines the C library, the size of the executable, and how much memory is available. */
export function machine(): Diagnosis[] {
  const { size } = runtime.files.stat("/proc/self/exe");
  return [
    {
      state: "fine",
      message: `${cLibrary() ?? "a C library other than glibc"}; ` +
        `${runtime.name} needs glibc ${LEAST_GLIBC[runtime.name]}, or has an executable for musl`,
    },
    {
      state: "fine",
      message: `the executable, on ${runtime.name} ${runtime.version}, has ` +
        `${Math.round(size / 1e6)} MB on disk, under all its names together`,
    },
    memory(),
  ];
}

/** Reads the C library's name and version; undefined where it does not have them. */
function cLibrary(): string | undefined {
  const text = new Uint8Array(64);
  const length = Number(systemConfiguration().confstr(CS_GNU_LIBC_VERSION, text, text.length));
  return length > 1 && length <= text.length ? decodeText(text.subarray(0, length - 1)) : undefined;
}

function memory(): Diagnosis {
  const text = runtime.files.readText("/proc/meminfo");
  const available = Number(/^MemAvailable:\s*(\d+) kB$/m.exec(text)?.[1] ?? NaN);
  const message = `${Math.round(available / 1024)} MB of memory are available; ` +
    `a call takes up to ${CALL_KB / 1024}`;
  if (!(available < CALL_KB)) return { state: "fine", message };
  return {
    state: "warning",
    message,
    remedy: "free some: where a call is killed for want of memory, what it made stays until DEL",
  };
}
