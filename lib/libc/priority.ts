/**
 * The calling thread's priority on the processors: sched(7).
 *
 * @module
 */
import { scheduling } from "./symbols.ts";

/** `linux/sched.h`: threads and programs that this one starts have the usual policy and priority. */
const SCHED_OTHER = 0;
const SCHED_RESET_ON_FORK = 0x40000000;
/** `sys/resource.h` */
const PRIO_PROCESS = 0;
/** In the place of a thread's ID: the calling one's. */
const CALLING_THREAD = 0;

/**
 * `renice`: gives the calling thread a niceness, and none of those that it starts, nor the programs.
 * One that has another niceness than 0 keeps it: somebody has chosen it. Where that is not permitted
 * (CAP_SYS_NICE), or the C library cannot (musl), nothing changes.
 * @param niceness from -20, which goes first, to 19
 */
export function setNiceness(niceness: number): void {
  const { sched_setscheduler, getpriority, setpriority } = scheduling();
  if (getpriority(PRIO_PROCESS, CALLING_THREAD) !== 0) return;
  // `struct sched_param`: an int, 0 for this policy.
  const parameters = new Int32Array(1);
  const policy = SCHED_OTHER | SCHED_RESET_ON_FORK;
  if (sched_setscheduler(CALLING_THREAD, policy, parameters) !== 0) return;
  setpriority(PRIO_PROCESS, CALLING_THREAD, niceness);
}
