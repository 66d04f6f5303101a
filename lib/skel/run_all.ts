import { CniError, ErrorCode } from "../types/error.ts";

/**
 * Runs every step of a DEL or GC, in order. A step that fails does not keep the next from
 * running: what can be removed is removed.
 * @throws {CniError} the only failure, or one error that lists them all, with the first one's code
 */
export async function runAll(...steps: (() => void | Promise<void>)[]): Promise<void> {
  const failures: CniError[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(CniError.from(error));
    }
  }
  const [first] = failures;
  if (!first) return;
  if (failures.length === 1) throw first;
  const list = failures.map(({ message }) => message).join("; ");
  throw new CniError(first.code || ErrorCode.internal, `${failures.length} steps failed: ${list}`);
}
