/** What a process holds. */
export interface ProcessUse {
  descriptors: number;
  threads: number;
  /** Memory of its own: RssAnon of proc_pid_status(5), in bytes. */
  memory: number;
}

/**
 * How many threads a runtime starts late, by itself: Bun one that collects garbage and two that
 * compile, when there is something to do.
 */
export const LATE_THREADS = 3;

/** Reads what a process holds from /proc. */
export function usedBy(pid: number): ProcessUse {
  const entries = (directory: string) => Array.from(Deno.readDirSync(`/proc/${pid}/${directory}`));
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return {
    descriptors: entries("fd").length,
    threads: entries("task").length,
    memory: 1024 * Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)![1]),
  };
}

/**
 * Reads what a process holds when it has nothing to do: the least of half a second, since what it had
 * open for a call is closed a moment after the answer.
 */
export async function usedAtRest(pid: number): Promise<ProcessUse> {
  const found: ProcessUse[] = [];
  for (let i = 0; i < 10; i++) {
    found.push(usedBy(pid));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const least = (key: keyof ProcessUse) => Math.min(...found.map((use) => use[key]));
  return {
    descriptors: least("descriptors"),
    threads: least("threads"),
    memory: least("memory"),
  };
}
