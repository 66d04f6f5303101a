/** A machine to emulate. */
export interface Machine {
  /** Path of the kernel's image. */
  kernel: string;
  /** Path of the initial RAM file system. */
  initramfs: string;
  /** Path of the file that gets what the kernel prints. */
  console: string;
  /** Path of the socket that connects its two network cards. */
  cable: string;
  /** Directories that the guest may write, by the name it mounts them by. */
  shares: Readonly<Record<string, string>>;
}

/** How a machine's run ended: it switched itself off, or it was stopped. */
export type End = "off" | "deadline" | "signal";

/**
 * Parameters for the kernel.
 *
 * - loglevel=5: errors and warnings, to which the traces of a lockup belong.
 * - panic=-1: a panic restarts the machine at once, which `-no-reboot` makes its end.
 * - softlockup_panic, watchdog_thresh: a processor that has been in the kernel for 2 minutes does not
 *   come back. An interrupt between emulated processors can get lost. After 20 seconds, the default,
 *   it may as well be the machine below that stood still.
 * - norandmaps: the emulator keeps translated code by address. Programs that are mapped where they
 *   were the last time need not be translated again: `deno` starts 2.7 times as fast.
 * - tsc=reliable: without it the kernel may settle on a clock that is read through a device.
 * - no_timer_check: on a busy machine the emulated timer is late for the kernel's test of it, and the
 *   kernel panics ("IO-APIC + timer doesn't work").
 * - security=selinux: processes have labels. Without a policy nothing is refused.
 */
const KERNEL_PARAMETERS = "console=ttyS0 loglevel=5 panic=-1 " +
  "softlockup_panic=1 softlockup_all_cpu_backtrace=1 watchdog_thresh=60 " +
  "norandmaps tsc=reliable no_timer_check security=selinux";

/**
 * The processor: all that can be emulated, but not what is slower than doing without it. V8 guards
 * its code with protection keys (pku), and each switch costs the emulator all its address
 * translations; `rep movsb` (erms, fsrm) is emulated byte by byte. Without both, `deno` starts in
 * half the time.
 */
const PROCESSOR = "max,-pku,-erms,-fsrm";

/** Two network cards that are connected: hardware that a test may move away and lose. */
const CARDS = [["virtio-net-pci", "on"], ["e1000", "off"]] as const;

/** Makes the arguments for `qemu-system-x86_64`. */
export function qemuArguments(
  { kernel, initramfs, console, cable, shares }: Machine,
): string[] {
  const share = (tag: string, path: string, more = "") => [
    "-virtfs",
    `local,path=${escaped(path)},mount_tag=${tag},security_model=none,multidevs=remap${more}`,
  ];
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-accel", "tcg,thread=multi", "-cpu", PROCESSOR, "-smp", "2", "-m", "3G"],
    ...["-kernel", kernel, "-initrd", initramfs, "-append", KERNEL_PARAMETERS],
    ...["-chardev", `file,id=console,path=${escaped(console)}`, "-serial", "chardev:console"],
    ...share("machine", "/", ",readonly=on"),
    ...CARDS.flatMap(([model, end]) => [
      "-netdev",
      `stream,id=${model},server=${end},addr.type=unix,addr.path=${escaped(cable)}`,
      "-device",
      `${model},netdev=${model},romfile=`,
    ]),
    ...Object.entries(shares).flatMap(([tag, path]) => share(tag, path)),
  ];
}

/** Escapes a value in one of qemu's lists of options. */
function escaped(value: string): string {
  return value.replaceAll(",", ",,");
}

/** A machine that runs. Disposing of it stops it. */
export class RunningMachine implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  #end: End = "off";
  /** How the run ended, once it has. */
  readonly end: Promise<End>;

  /**
   * @param seconds after which the machine is stopped
   * @param interrupted stops it when aborted
   */
  constructor(machine: Machine, seconds: number, interrupted: AbortSignal) {
    interrupted.throwIfAborted();
    // Ends with this process, even where that is killed: it would go on using two cores.
    this.#process = new Deno.Command("setpriv", {
      args: ["--pdeathsig", "KILL", "qemu-system-x86_64", ...qemuArguments(machine)],
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    const deadline = setTimeout(() => this.#stop("deadline"), seconds * 1000);
    interrupted.addEventListener("abort", () => this.#stop("signal"));
    this.end = this.#process.status.then(() => {
      clearTimeout(deadline);
      return this.#end;
    });
  }

  #stop(end: End): void {
    this.#end = end;
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop(this.#end);
    await this.end;
  }
}
