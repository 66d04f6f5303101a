import { cString } from "../runtime/c_string.ts";
import { call } from "./call.ts";
import { Descriptor } from "./descriptor.ts";
import { memoryFiles } from "./symbols.ts";

/** `linux/memfd.h` */
const MFD_CLOEXEC = 1;

/**
 * `memfd_create(2)`: an empty file in memory, which is gone when the last descriptor of it is closed.
 * @param name what `/proc` calls it
 * @throws {SystemError}
 */
export function createMemoryFile(name: string): Descriptor {
  const text = cString(name);
  const { memfd_create } = memoryFiles();
  return new Descriptor(call(() => memfd_create(text, MFD_CLOEXEC), () => `create file ${name}`));
}
