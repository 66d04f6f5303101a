/** The error of CNI: a code from the specification's table, a message, and details. */
import { isObject, type JsonObject, type JsonValue } from "./json.ts";

/**
 * Well-known error codes: those of the specification (section "Error", 1 to 99) and the three that
 * the Go library adds (0, 8 and 999). Codes from 100 belong to each plugin.
 */
export const ErrorCode = {
  unknown: 0,
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  invalidNetNs: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  internal: 999,
} as const;

/** The optional parts of an error. */
export interface CniErrorOptions {
  /** What does not fit into the message; printed apart from it. */
  details?: string;
  /** The error that led to this one; not printed. */
  cause?: unknown;
}

/** An error that a container runtime can act on. */
export class CniError extends Error {
  /** Always `CniError`. */
  override readonly name = "CniError";
  /** One of {@linkcode ErrorCode}, or 100 and up for a plugin's own. */
  readonly code: number;
  /** What does not fit into the message; "" where there is nothing more. */
  readonly details: string;

  /**
   * Makes an error with any code; the static methods make the well-known ones.
   * @param msg what was attempted, on what, the state found, and the remedy
   */
  constructor(code: number, msg: string, options: CniErrorOptions = {}) {
    super(msg, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? "";
  }

  /** Returns the error with `prefix: ` before its message, unless it is there already. */
  withContext(prefix: string): CniError {
    if (this.message.startsWith(`${prefix}: `)) return this;
    return new CniError(this.code, `${prefix}: ${this.message}`, {
      details: this.details,
      cause: this,
    });
  }

  /** Returns the error object of the specification; `details` only where there are any. */
  toJson(cniVersion?: string): JsonObject {
    return {
      ...(cniVersion ? { cniVersion } : {}),
      code: this.code,
      msg: this.message,
      ...(this.details ? { details: this.details } : {}),
    };
  }

  /** Returns message and details in one line, as the Go library prints them. */
  override toString(): string {
    return this.details ? `${this.message}; ${this.details}` : this.message;
  }

  /**
   * Reads an error object that another program printed; undefined when `value` is not one. A
   * missing code is 0.
   */
  static fromJson(value: JsonValue | undefined): CniError | undefined {
    if (!isObject(value)) return undefined;
    const { code = ErrorCode.unknown, msg = "", details = "" } = value;
    if (value.code === undefined && value.msg === undefined) return undefined;
    if (typeof code !== "number" || !Number.isSafeInteger(code) || code < 0) return undefined;
    if (typeof msg !== "string" || typeof details !== "string") return undefined;
    return new CniError(code, msg, { details });
  }

  /**
   * Returns `error` itself when it is a CniError, else one with code 999 and its message. Where
   * `using` failed to clean up after an error, that failure becomes the error's details.
   */
  static from(error: unknown): CniError {
    if (error instanceof CniError) return error;
    if (isSuppressed(error)) {
      const { code, message, details } = CniError.from(error.suppressed);
      const later = CniError.from(error.error).toString();
      const all = [details, later].filter(Boolean).join("; ");
      return new CniError(code, message, { details: all, cause: error });
    }
    const msg = error instanceof Error ? error.message : String(error);
    return new CniError(ErrorCode.internal, msg, { cause: error });
  }

  /** Makes an error of code 1: the version of a configuration, or of a result, is not supported. */
  static incompatibleVersion(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.incompatibleVersion, msg, { details });
  }
  /** Makes an error of code 2: the message must name the key and its value. */
  static unsupportedField(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.unsupportedField, msg, { details });
  }
  /** Makes an error of code 3: the container is unknown, and the runtime need not clean up. */
  static unknownContainer(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.unknownContainer, msg, { details });
  }
  /** Makes an error of code 4: the message must name the variables. */
  static invalidEnvironment(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.invalidEnvironment, msg, { details });
  }
  /** Makes an error of code 5: reading or writing failed. */
  static io(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.io, msg, { details });
  }
  /** Makes an error of code 6: something read is not JSON, not a result, or not a version. */
  static decode(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.decode, msg, { details });
  }
  /** Makes an error of code 7: the network configuration is wrong. */
  static invalidConfig(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.invalidConfig, msg, { details });
  }
  /** Makes an error of code 8: the network namespace cannot be used. */
  static invalidNetNs(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.invalidNetNs, msg, { details });
  }
  /** Makes an error of code 11: a passing condition; the runtime should try again. */
  static tryAgainLater(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.tryAgainLater, msg, { details });
  }
  /** Makes an error of code 50, STATUS: the plugin cannot serve ADD. */
  static notAvailable(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.notAvailable, msg, { details });
  }
  /**
   * Makes an error of code 51, STATUS: the plugin cannot serve ADD, and containers may have lost
   * connectivity.
   */
  static limitedConnectivity(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.limitedConnectivity, msg, { details });
  }
  /** Makes an error of code 999: anything else. */
  static internal(msg: string, details?: string): CniError {
    return new CniError(ErrorCode.internal, msg, { details });
  }
}

/** Compares names: not every runtime, and no bundle for an old one, has the class. */
function isSuppressed(error: unknown): error is { error: unknown; suppressed: unknown } {
  return error instanceof Error && error.name === "SuppressedError";
}
