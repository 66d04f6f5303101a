/**
 * A host of its own for each test: new network and mount namespaces on the test's thread, an empty
 * /run, /var/lib/cni and /etc/cni. Programs that the test starts run inside, so `ip` and `nft`
 * show the sandbox. When the test ends the kernel takes everything away.
 *
 * @module
 */
import { call } from "../../lib/libc/call.ts";
import { Descriptor, O_RDONLY } from "../../lib/libc/descriptor.ts";
import { namespaces } from "../../lib/libc/symbols.ts";
import { mount, MS_REC } from "../../lib/ns/mount.ts";
import { createNetNs } from "../../lib/ns/named.ts";
import { CLONE_NEWNET, type NetNs } from "../../lib/ns/netns.ts";
import { startResident } from "./resident.ts";
import { missing, reportSkip, type Requirement, SANDBOX_DIRECTORIES } from "./requirements.ts";

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const MS_PRIVATE = 0x40000;

/** What a test works with. */
export class Sandbox implements Disposable {
  #named = 0;
  /** Those that the test has made: open descriptors keep the namespaces of all tests before alive. */
  readonly #containers: NetNs[] = [];
  /** A directory for the test's own files; it is inside the sandbox and goes with it. */
  readonly directory = "/run/test";

  /** A new container: a network namespace at `/var/run/netns/NAME`. */
  container(name = `c${++this.#named}`): NetNs {
    const netns = createNetNs(name);
    this.#containers.push(netns);
    return netns;
  }

  [Symbol.dispose](): void {
    for (const netns of this.#containers) netns[Symbol.dispose]();
  }

  /** Runs a program in the sandbox; throws with its output when it fails. */
  run(program: string, args: readonly string[], options: { netns?: NetNs } = {}): string {
    const { code, stdout, stderr } = this.try(program, args, options);
    if (code === 0) return stdout;
    throw new Error(`${program} ${args.join(" ")}: exit status ${code}\n${stderr}${stdout}`);
  }

  /** Runs a program in the sandbox, or in a container's namespace. */
  try(
    program: string,
    args: readonly string[],
    { netns }: { netns?: NetNs } = {},
  ): { code: number; stdout: string; stderr: string } {
    const command = new Deno.Command(program, { args: [...args], stdin: "null" });
    // A program started while the thread is inside a namespace is born there.
    const output = netns ? netns.run(() => command.outputSync()) : command.outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
  }

  /** `ip -j ARGS`, parsed: the kernel's state, read by a program that shares no code with us. */
  // deno-lint-ignore no-explicit-any -- iproute2's JSON has no types
  ip(args: string, netns?: NetNs): any[] {
    const text = this.run("ip", ["-j", ...args.split(" ")], { netns });
    // `ip -j` prints nothing at all for some empty lists, and empty objects for filtered entries.
    const list = text.trim() === "" ? [] : JSON.parse(text);
    return list.filter((entry: object) => Object.keys(entry).length > 0);
  }

  /** `bridge -j ARGS`, parsed. */
  // deno-lint-ignore no-explicit-any -- iproute2's JSON has no types
  bridge(args: string, netns?: NetNs): any[] {
    const text = this.run("bridge", ["-j", ...args.split(" ")], { netns });
    return text.trim() === "" ? [] : JSON.parse(text);
  }

  /** The sandbox's whole nftables rule set, as text. */
  ruleset(): string {
    return this.run("nft", ["list", "ruleset"]);
  }

  /** The names of a namespace's interfaces, without `lo` and those the kernel makes by itself. */
  links(netns?: NetNs): string[] {
    return this.ip("link show", netns).map(({ ifname }) => ifname).filter(isMade);
  }
}

/** Whether an interface is none of those that the kernel makes in every namespace. */
export function isMade(name: string): boolean {
  return !/^(lo|ifb\d|tunl0|sit0|ip6tnl0|gre0|gretap0|erspan0|ip_vti0|ip6_vti0|ip6gre0)$/
    .test(name);
}

/** How a kernel test is run. */
export interface KernelTestOptions {
  /** What the test cannot do without; where it lacks the test is skipped, with the reason. */
  needs?: readonly Requirement[];
}

/** What a test needs one of to be run: `deno task test:kernel --lacking`. Unset for every test. */
const LACKING = Deno.env.get("CNI_TEST_LACKING")?.split(" ");

/** A test against the real kernel, in a {@link Sandbox} of its own. */
export function kernelTest(
  name: string,
  test: (sandbox: Sandbox) => void | Promise<void>,
  { needs = [] }: KernelTestOptions = {},
): void {
  if (LACKING && !needs.some((need) => LACKING.includes(need))) return;
  const reason = missing(["root", "ip", ...needs]);
  if (reason) reportSkip(name, reason);
  Deno.test({
    name,
    ignore: reason !== undefined,
    // libc is loaded when it is first used, and stays.
    sanitizeResources: false,
    async fn() {
      try {
        await inSandbox(async (sandbox) => {
          await using _server = await startResident(Deno.env.get("CNI_TEST_BIN"));
          await test(sandbox);
        });
      } catch (error) {
        // Deno shows neither of the two that a SuppressedError has.
        if (!(error instanceof SuppressedError)) throw error;
        throw new AggregateError([error.suppressed, error.error], "the test, and what ended it");
      }
    },
  });
}

/** Runs something with its thread in a sandbox of its own, and leaves it. */
export async function inSandbox(work: (sandbox: Sandbox) => void | Promise<void>): Promise<void> {
  using _home = new Home();
  enterSandbox();
  using sandbox = new Sandbox();
  await work(sandbox);
}

/** Where the thread was before the test, and the way back. */
class Home implements Disposable {
  readonly #network = Descriptor.open("/proc/thread-self/ns/net", O_RDONLY);
  readonly #mount = Descriptor.open("/proc/thread-self/ns/mnt", O_RDONLY);
  readonly #directory = Deno.cwd();

  [Symbol.dispose](): void {
    const { setns, unshare } = namespaces();
    // Threads that the test started share this one's file system view; setns wants it unshared.
    call(() => unshare(CLONE_FS), () => "unshare the file system view");
    call(() => setns(this.#mount.number, CLONE_NEWNS), () => "return to the mount namespace");
    call(() => setns(this.#network.number, CLONE_NEWNET), () => "return to the network namespace");
    Deno.chdir(this.#directory);
    this.#network[Symbol.dispose]();
    this.#mount[Symbol.dispose]();
  }
}

function enterSandbox(): void {
  const { unshare } = namespaces();
  call(() => unshare(CLONE_NEWNET | CLONE_NEWNS), () => "create a sandbox");
  mount("none", "/", MS_REC | MS_PRIVATE);
  // Tools keep state here (xtables.lock, ip netns, CNI's own); each test starts without any.
  for (const directory of SANDBOX_DIRECTORIES) {
    mount("tmpfs", directory, 0, "tmpfs");
    Deno.chmodSync(directory, 0o755); // as a host's; of itself everybody could write there
  }
  Deno.mkdirSync("/run/test");
  new Deno.Command("ip", { args: ["link", "set", "lo", "up"] }).outputSync();
}
