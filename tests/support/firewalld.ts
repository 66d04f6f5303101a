/** firewalld on a D-Bus of its own, inside a sandbox. */
import type { Sandbox } from "./sandbox.ts";

const ADDRESS = "unix:path=/run/test/bus";

const BUS_CONFIG = `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>${ADDRESS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/** A running firewalld; it ends with this object. */
export class Firewalld implements AsyncDisposable {
  /** What a program's environment needs to find it. */
  readonly env = { DBUS_SYSTEM_BUS_ADDRESS: ADDRESS };
  readonly #bus: Deno.ChildProcess;
  #daemon: Deno.ChildProcess | undefined;

  private constructor(private readonly sandbox: Sandbox) {
    Deno.writeTextFileSync("/run/test/bus.conf", BUS_CONFIG);
    this.#bus = start("dbus-daemon", ["--config-file=/run/test/bus.conf", "--nofork"]);
  }

  /** Starts both, and waits until firewalld answers. */
  static async start(sandbox: Sandbox): Promise<Firewalld> {
    const self = new Firewalld(sandbox);
    await until("dbus-daemon", () => exists("/run/test/bus"));
    await self.restart();
    return self;
  }

  /** Starts firewalld where it was stopped, and waits until it answers. */
  async restart(): Promise<void> {
    this.#daemon = start("firewalld", ["--nofork", "--nopid"], this.env);
    await until("firewalld", () => this.try("--state").code === 0);
  }

  /** `firewall-cmd ARGS` */
  command(...args: string[]): string {
    const { code, stdout, stderr } = this.try(...args);
    if (code === 0) return stdout.trim();
    throw new Error(`firewall-cmd ${args.join(" ")}: ${stderr}${stdout}`);
  }

  /** `firewall-cmd ARGS`, whatever comes of it. */
  try(...args: string[]) {
    return this.sandbox.try("env", [
      ...Object.entries(this.env).map(([name, value]) => `${name}=${value}`),
      "firewall-cmd",
      ...args,
    ]);
  }

  /** Holds firewalld up: it answers nothing, until it is ended. */
  freeze(): void {
    this.#daemon!.kill("SIGSTOP");
  }

  /** Ends firewalld, but not the bus, as systemd does: its rules go with it. */
  async stop(): Promise<void> {
    await end(this.#daemon, "SIGTERM");
    this.#daemon = undefined;
  }

  /** Kills firewalld, but not the bus, also where it is held up. Its rules stay. */
  async kill(): Promise<void> {
    await end(this.#daemon, "SIGKILL");
    this.#daemon = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await end(this.#bus, "SIGKILL");
  }
}

function start(program: string, args: string[], env: Record<string, string> = {}) {
  return new Deno.Command(program, { args, env, stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
}

async function end(child: Deno.ChildProcess | undefined, signal: Deno.Signal): Promise<void> {
  try {
    child?.kill(signal);
  } catch {
    // It has ended by itself.
  }
  await child?.status;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} does not start`);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}
