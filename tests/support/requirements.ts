/**
 * What a test needs of the machine, and what to do where the machine lacks it.
 *
 * @module
 */
import { cacheDirectory, hasProgram, isFile } from "../../scripts/support/files.ts";
import { MOUNT_OWN_GROUP } from "./systemd.ts";

/**
 * A thing a test cannot do without: privileges, a program (or its path), a kind of link in the
 * kernel, control groups of version 1 or (new ones) of 2, the test kernel's machine, which nobody
 * misses.
 */
export type Requirement =
  | "root"
  | "cgroup-v1"
  | "cgroup-v2"
  | "test-kernel"
  | "newer-go-plugins"
  | "newest-go-plugins"
  | `kernel:${string}`
  | string;

/** Why a test is skipped, and the one command that would change it. */
export interface Reason {
  lacks: string;
  remedy: string;
}

/** Debian's package for each program whose package has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: "iproute2",
  bridge: "iproute2",
  tc: "iproute2",
  nft: "nftables",
  objdump: "binutils",
  "/lib/systemd/systemd": "systemd",
  systemctl: "systemd",
  "systemd-analyze": "systemd",
  "systemd-socket-activate": "systemd",
  "systemd-tmpfiles": "systemd",
  "aarch64-linux-gnu-objdump": "binutils-aarch64-linux-gnu",
  "qemu-aarch64": "qemu-user",
  "qemu-x86_64": "qemu-user",
  "ip6tables": "iptables",
  busybox: "busybox-static",
  etcd: "etcd-server",
  etcdctl: "etcd-client",
  dhcpd: "isc-dhcp-server",
  dnsmasq: "dnsmasq-base",
  "kea-dhcp4": "kea-dhcp4-server",
  perl: "perl-base",
  "rsvg-convert": "librsvg2-bin",
  prlimit: "util-linux",
  setpriv: "util-linux",
  nsenter: "util-linux",
  "dpkg-query": "dpkg",
  firewalld: "firewalld",
  "firewall-cmd": "firewalld",
  ctr: "containerd",
  newuidmap: "uidmap",
};

const found = new Map<Requirement, Reason | undefined>();

/** The first of `needs` that this machine lacks. */
export function missing(needs: readonly Requirement[]): Reason | undefined {
  for (const need of needs) {
    if (!found.has(need)) found.set(need, lacking(need));
    const reason = found.get(need);
    if (reason) return reason;
  }
  return undefined;
}

/** The directory of the Go plugins to compare with: Debian's, unless `CNI_TEST_GO` names another. */
export const GO_PLUGINS = Deno.env.get("CNI_TEST_GO") ?? "/usr/lib/cni";

/** Whether this is the machine that `deno task test:kernel` starts. */
export function onTestKernel(): boolean {
  return isFile("/test-kernel/control/session.sh");
}

/** The directory of the newest Go plugins: `CNI_TEST_GO`, or what `deno task go-plugins` brought. */
export function newestGoPlugins(): string {
  return Deno.env.get("CNI_TEST_GO") ??
    `${cacheDirectory("the Go plugins")}/cni-go-plugins/root/usr/lib/cni`;
}

/** Whether Go plugins support version 1.1.0 of the specification, as those since 1.5 do. */
function areNewer(directory: string): boolean {
  const bridge = `${directory}/bridge`;
  if (!isFile(bridge)) return false;
  const { stdout } = new Deno.Command(bridge, { env: { CNI_COMMAND: "VERSION" } }).outputSync();
  return new TextDecoder().decode(stdout).includes('"1.1.0"');
}

function lackingNewestPlugins(): Reason | undefined {
  if (areNewer(newestGoPlugins())) return undefined;
  return { lacks: "Debian's newest Go plugins", remedy: "deno task go-plugins" };
}

function lackingNewerPlugins(): Reason | undefined {
  if (areNewer(GO_PLUGINS)) return undefined;
  return {
    lacks: `Go plugins newer than those in ${GO_PLUGINS}`,
    remedy: "CNI_TEST_GO=$(deno task --quiet go-plugins) deno task " +
      (onTestKernel() ? "test:kernel" : "test"),
  };
}

/** Whether control groups are those of version 1, or both, as the runtimes' tests make them. */
function lackingHierarchies(): Reason | undefined {
  if (/^\d+:.*\bmemory\b.*:/m.test(Deno.readTextFileSync("/proc/self/cgroup"))) return undefined;
  return {
    lacks: "control groups of version 1",
    remedy: "systemd.unified_cgroup_hierarchy=0 on the kernel's command line",
  };
}

/** Whether control groups of version 2 can be made below this process's. */
function lackingUnifiedHierarchy(): Reason | undefined {
  const script = `set -e
${MOUNT_OWN_GROUP}
rmdir "$(mktemp -d "$own/cni-test-XXXXXX")"`;
  const { success } = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  if (success) return undefined;
  return {
    lacks: "control groups of version 2 to make others below",
    remedy: "sudo deno task test, on a kernel with cgroup2",
  };
}

/** The directory of an etcd that is newer than the machine's. */
export const NEWER_ETCD = Deno.env.get("CNI_TEST_ETCD") ?? "/newer-etcd";

/** Debian's package of a program, or of one of the Go plugins, which are named by their path. */
function packageOf(need: string): string {
  return need.startsWith("/usr/lib/cni/") ? "containernetworking-plugins" : PACKAGES[need] ?? need;
}

function lacking(need: Requirement): Reason | undefined {
  if (need === "root") return lackingPrivilege();
  if (need === "test-kernel") {
    if (onTestKernel()) return undefined;
    return { lacks: "hardware and kernel modules to do without", remedy: "deno task test:kernel" };
  }
  if (need === "cgroup-v1") return lackingHierarchies();
  if (need === "cgroup-v2") return lackingUnifiedHierarchy();
  if (need === "newer-go-plugins") return lackingNewerPlugins();
  if (need === "newest-go-plugins") return lackingNewestPlugins();
  if (need.startsWith("kernel:")) return lackingInKernel(need.slice("kernel:".length));
  if (need.startsWith(NEWER_ETCD) && !isFile(need)) {
    return { lacks: "an etcd newer than Debian 12's", remedy: "deno task test:cluster" };
  }
  if (need.startsWith("/") ? isFile(need) : hasProgram(need)) return undefined;
  return { lacks: `the program ${need}`, remedy: `apt-get install ${packageOf(need)}` };
}

/** The directories that a sandbox has its own of; see `sandbox.ts`. */
export const SANDBOX_DIRECTORIES = ["/run", "/var/lib/cni", "/etc/cni"];

/** What keeps a test from making namespaces, and mounting there. */
function lackingPrivilege(): Reason | undefined {
  const { success } = new Deno.Command("unshare", {
    args: ["--net", "--mount", "true"],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  if (!success) {
    return Deno.uid() === 0
      ? { lacks: "CAP_SYS_ADMIN in this container", remedy: "docker run --privileged …" }
      : { lacks: "root privileges", remedy: "sudo deno task test" };
  }
  try {
    for (const directory of SANDBOX_DIRECTORIES) Deno.mkdirSync(directory, { recursive: true });
  } catch {
    const directories = SANDBOX_DIRECTORIES.join(" ");
    return { lacks: `one of ${directories}`, remedy: `sudo mkdir -p ${directories}` };
  }
  return undefined;
}

/** `ip link add` arguments that prove a kernel feature, run in a throw-away namespace. */
const PROBES: Readonly<Record<string, readonly string[]>> = {
  vlan: ["link", "add", "link", "probe1", "name", "probe0", "type", "vlan", "id", "5"],
  ipvlan: ["link", "add", "link", "probe1", "name", "probe0", "type", "ipvlan"],
  macvlan: ["link", "add", "link", "probe1", "name", "probe0", "type", "macvlan"],
  vrf: ["link", "add", "probe0", "type", "vrf", "table", "10"],
  "bridge-vlan": ["link", "add", "probe0", "type", "bridge", "vlan_filtering", "1"],
  tap: ["tuntap", "add", "probe0", "mode", "tap"],
};

function lackingInKernel(feature: string): Reason | undefined {
  const probe = PROBES[feature] ?? ["link", "add", "probe0", "type", feature];
  // A namespace of its own, gone with the process that `unshare` starts in it.
  const script = 'ip link add probe1 type veth peer name probe2 2>/dev/null; exec ip "$@"';
  const { success } = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", script, "sh", ...probe],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  if (success) return undefined;
  return { lacks: `${feature} in this machine's kernel`, remedy: "deno task test:kernel" };
}

/** Notes a skipped test for the list at the end; `scripts/run_tests.ts` says where. */
export function reportSkip(test: string, { lacks, remedy }: Reason): void {
  const file = Deno.env.get("CNI_TEST_SKIPS");
  const line = JSON.stringify({ test, lacks, remedy }) + "\n";
  if (file) Deno.writeTextFileSync(file, line, { append: true });
  else console.error(`skipped: ${test}: needs ${lacks} (${remedy})`);
}
