import { SystemError } from "../libc/system_error.ts";
import type { NetlinkOutcome } from "../netlink/message.ts";
import { errnoInfo } from "../runtime/errno.ts";

/** A request that the kernel refused. `code` is errno's name; the message has the kernel's words. */
export class NetlinkError extends SystemError {
  /** `NetlinkError`, or what a subclass is called. */
  override readonly name: string = "NetlinkError";

  /** Whether it may have been done: the kernel's answer was lost, or none came. */
  get isUnknown(): boolean {
    return ["ENOBUFS", "EAGAIN"].includes(this.code);
  }

  /** The error of an answer. @param purpose what the request was for: "add route 10.1.0.0/16" */
  static from(purpose: string, { errno, text }: NetlinkOutcome): NetlinkError {
    return new NetlinkError(purpose, errno, explain(errno, text));
  }
}

/** A message of a batch that the kernel refused. */
export interface Refusal extends NetlinkOutcome {
  /** Which of the requests it was, from 0 on. */
  index: number;
}

/** A batch of which nothing was done, or whose outcome is unknown (ENOBUFS, EAGAIN). */
export class BatchError extends NetlinkError {
  /** Always `BatchError`. */
  override readonly name = "BatchError";

  /** As {@link SystemError}'s, with what the kernel refused. */
  constructor(
    attempted: string,
    errno: number,
    detail: string | undefined,
    /** What the kernel refused; empty where it took no message at all. */
    readonly refusals: readonly Refusal[] = [],
  ) {
    super(attempted, errno, detail);
  }

  /**
   * An error with the first refusal's errno, and its request's purpose.
   * @param purpose what the batch was for
   * @param purposes each request's
   * @param refusals in the requests' order; one at least
   */
  static refused(
    purpose: string,
    purposes: readonly string[],
    refusals: readonly [Refusal, ...Refusal[]],
  ): BatchError {
    const [{ index, errno, text }, ...others] = refusals;
    const more = others.length > 0 ? [`${refusals.length} messages were refused`] : [];
    return new BatchError(
      `${purpose} (${purposes[index]}, message ${index + 1} of ${purposes.length})`,
      errno,
      [explain(errno, text), ...more].filter((part) => part).join("; "),
      refusals,
    );
  }

  /** As {@link NetlinkError}'s; what was refused was not done. */
  override get isUnknown(): boolean {
    return this.refusals.length === 0 && super.isUnknown;
  }

  /** An error of the batch as a whole. @param count how many messages it has */
  static whole(purpose: string, count: number, { errno, text }: NetlinkOutcome): BatchError {
    return new BatchError(`${purpose} (${count} messages)`, errno, explain(errno, text));
  }
}

/** The kernel's own sentence, unless it just repeats the error's meaning, or what helps. */
function explain(errno: number, text: string | undefined): string | undefined {
  const { name, text: meaning } = errnoInfo(errno);
  if (text && text !== meaning) return text;
  return name === "EPERM" ? "this needs root, or CAP_NET_ADMIN over the namespace" : undefined;
}
