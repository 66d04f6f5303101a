import { CniError } from "./error.ts";

/**
 * The error of an action that may have been done wholly, in part, or not at all: the program that
 * was to do it ended without saying so (it was killed, failed without an error object, or printed
 * what cannot be read), or the kernel's answer was lost.
 */
export class UnknownOutcome extends CniError {
  /** Converts an error to this class. */
  static of({ code, message, details, cause }: CniError): UnknownOutcome {
    return new UnknownOutcome(code, message, { details, cause });
  }
}
