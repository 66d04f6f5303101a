/** Reads the CPU time of a process so far, in milliseconds. proc(5), `utime` and `stime` */
export function cpuMsOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The second field is the program's name, in parentheses, and may have parentheses in it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticksPerSecond = 100; // USER_HZ
  return (Number(fields[11]) + Number(fields[12])) * (1000 / ticksPerSecond);
}
