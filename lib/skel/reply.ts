import type { CniError } from "../types/error.ts";

/** The answer of a plugin: its standard output and exit status. */
export interface Reply {
  /** One JSON document, or "" for a command that has nothing to answer. */
  stdout: string;
  /** 0, or 1 where `stdout` holds an error object. */
  exitCode: number;
  /**
   * Undoes what an ADD made, should its result not reach the caller. Returns what it could not
   * undo.
   */
  takeBack?: () => Promise<string[]>;
  /** Set where the call failed: resolves when what an interruption left under way has ended. */
  settled?: Promise<unknown>;
  /** Why the call failed. */
  error?: CniError;
  /** What was thrown, where that is a defect of the plugin. */
  defect?: unknown;
  /** The network's name, where the configuration could be read. */
  network?: string;
}
