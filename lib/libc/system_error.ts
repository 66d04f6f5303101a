import { errnoInfo } from "../runtime/errno.ts";

/** A call into the kernel that failed. `code` is errno's name, such as `EEXIST`. */
export class SystemError extends Error {
  /** `SystemError`, or what a subclass is called. */
  override readonly name: string = "SystemError";
  /** The C error's name, such as `EEXIST`. */
  readonly code: string;

  /**
   * An error whose message says what was attempted and what the kernel said.
   * @param attempted what was tried, on what: "open network namespace /run/netns/a"
   * @param errno the C error number
   * @param detail what else the kernel said
   */
  constructor(readonly attempted: string, readonly errno: number, detail?: string) {
    const { name, text } = errnoInfo(errno);
    super(`cannot ${attempted}: ${name} (${text})${detail ? `: ${detail}` : ""}`);
    this.code = name;
  }
}
