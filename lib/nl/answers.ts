import { errnoNumber } from "../runtime/errno.ts";
import { messageOf } from "../runtime/errors.ts";
import { NetlinkError } from "./error.ts";

const EBADMSG = errnoNumber("EBADMSG")!;

/**
 * Reads the answers to a request.
 * @param purpose the request's, as it stands in an error
 * @param read decodes one answer; throws where it is not what it should be
 * @throws {NetlinkError} EBADMSG when one cannot be read
 */
export function readAnswers<T>(
  answers: readonly Uint8Array[],
  purpose: string,
  read: (answer: Uint8Array) => T,
): T[] {
  try {
    return answers.map((answer) => read(answer));
  } catch (error) {
    throw new NetlinkError(purpose, EBADMSG, `the kernel's answer: ${messageOf(error)}`);
  }
}

/**
 * Reads the answer to a request that has one.
 * @throws {NetlinkError} EBADMSG when there is none, or it cannot be read
 */
export function readAnswer<T>(
  answers: readonly Uint8Array[],
  purpose: string,
  read: (answer: Uint8Array) => T,
): T {
  const [value] = readAnswers(answers.slice(0, 1), purpose, read);
  if (value !== undefined) return value;
  throw new NetlinkError(purpose, EBADMSG, "the kernel said that it was done, and gave no answer");
}
