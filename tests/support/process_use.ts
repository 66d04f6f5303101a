/** What a process holds. */
export interface ProcessUse {
  descriptors: number;
  threads: number;
  /** Memory of its own: RssAnon of proc_pid_status(5), in bytes. */
  memory: number;
}

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
