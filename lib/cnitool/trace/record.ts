import { createMemoryFile } from "../../libc/memory_file.ts";
import { CallObserver } from "../../observe/call_observer.ts";
import type { TraceLine } from "../../observe/trace_file.ts";
import { runtime } from "../../runtime/mod.ts";
import { type TracePart, treeOf } from "./tree.ts";

/**
 * Does `work`, and records what it does in this process and in those of the plugins that it executes.
 * @param name names the trace's first part
 * @param work returns an exit status
 */
export async function recordTrace(
  name: string,
  work: () => Promise<number>,
): Promise<{ status: number; trace: TracePart[] }> {
  using file = createMemoryFile("cni trace");
  const environment = { ...runtime.environment(), CNI_TRACE_FD: String(file.number) };
  const observer = CallObserver.from(environment);
  const status = await observer.observe(
    { kind: "command", name },
    work,
    (status) => status === 0 ? {} : { error: `exit status ${status}` },
  );
  await observer.end();
  const text = runtime.files.readText(`/proc/self/fd/${file.number}`);
  const lines: TraceLine[] = text.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  return { status, trace: treeOf(lines) };
}
