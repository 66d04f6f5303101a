import { call } from "../libc/call.ts";
import { mounts } from "../libc/symbols.ts";
import { cString } from "../runtime/c_string.ts";

/** `linux/mount.h` */
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;

/**
 * `mount(2)`.
 *
 * @param flags MS_*
 * @param type of the file system; none where the flags ask for something that needs none
 * @throws {SystemError}
 */
export function mount(source: string, target: string, flags: number, type?: string): void {
  const [from, to, kind] = [cString(source), cString(target), type ? cString(type) : null];
  call(() => mounts().mount(from, to, kind, flags, null), () => `mount ${source} at ${target}`);
}
