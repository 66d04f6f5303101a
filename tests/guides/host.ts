/**
 * A host to follow a page on: namespaces of its own, over the machine's files a layer that goes with
 * it, an empty home, and a copy of this project. What is in no package of a bare host is there as far
 * as it can be had without a network: the caches of npm and of Deno.
 *
 * @module
 */
import { findBun } from "../../scripts/build/find_bun.ts";
import { programPath } from "../../scripts/support/files.ts";
import { fromFileUrl } from "../support/paths.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** Where the copy of the project is, as guides have it. */
export const CHECKOUT = "/home/me/cni";
/** Where the caches are. */
const CACHES = "/var/cache/guides";

/** Directories that are empty on the host, in whatever state the machine's are. */
const EMPTY = [
  ...["/home", "/root", "/run", "/tmp", "/opt", "/etc/cni", "/etc/systemd/system"],
  ...["/var/lib/cni", "/usr/lib/cni", "/usr/local/bin", "/usr/local/sbin", "/var/log"],
];

/** Nothing outlives the first process of these. */
const NAMESPACES = ["--net", "--mount", "--pid", "--ipc", "--uts"];

/** Makes the file systems, and goes on as the host's first process. Arguments: see {@link follow}. */
const ENTER = `set -e
project=$1 npm=$2 deno_dir=$3 deno=$4 bun=$5 bin=$6 work=$7
mount -t tmpfs tmpfs /mnt
layer() { # over a directory, at a place
  mkdir -p "/mnt/layers$2/upper" "/mnt/layers$2/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/layers$2/upper,workdir=/mnt/layers$2/work" "/mnt/root$2"
}
mkdir /mnt/root
layer / ""
for tree in /dev /sys; do mount --rbind $tree /mnt/root$tree; done
mount -t proc proc /mnt/root/proc
for directory in ${EMPTY.join(" ")}; do
  mkdir -p /mnt/root$directory
  mount -t tmpfs -o mode=755 tmpfs /mnt/root$directory
done
chmod 1777 /mnt/root/tmp
mkdir -p /mnt/root/run/netns /mnt/root${CHECKOUT} /mnt/root${CACHES}/npm /mnt/root${CACHES}/deno
layer "$project" ${CHECKOUT}
mount -t tmpfs tmpfs /mnt/root${CHECKOUT}/dist 2>/dev/null || true
layer "$npm" ${CACHES}/npm
layer "$deno_dir" ${CACHES}/deno
mkdir /mnt/root/run/guide
mount --bind "$work" /mnt/root/run/guide
install "$deno" /mnt/root/usr/local/bin/deno
install "$bun" /mnt/root/usr/local/bin/bun
ln -s /usr/bin/env /mnt/root/usr/local/bin/sudo # who follows the page is root
if [ -n "$bin" ]; then mkdir /mnt/root/run/bin; mount --bind "$bin" /mnt/root/run/bin; fi
ip link set lo up
cd /mnt/root
pivot_root . mnt # setns(2) goes to the namespace's root, which a chroot would not be
umount --lazy mnt
exec env -i HOME=/root TERM=dumb LANG=C.UTF-8 \\
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  npm_config_cache=${CACHES}/npm npm_config_offline=true DENO_DIR=${CACHES}/deno \\
  DENO_NO_UPDATE_CHECK=1 NO_COLOR=1 bash /run/guide/session
`;

/** What came of a command. */
export interface Ended {
  code: number;
  output: string;
}

/** Something to do on the host. */
export interface Step {
  /** In bash's language. */
  command: string;
  /** Goes on beside the steps that follow, and is ended with the host. */
  stays?: boolean;
}

/** Where the tools are that every host has. */
interface Tools {
  npm: string;
  denoDir: string;
  bun: string;
}

let tools: Promise<Tools> | undefined;

/**
 * Does one step after the other in one shell, until one fails or \`seconds\` have passed.
 * @param bin executables that are below /run/bin; "" for none
 * @returns what came of the steps that were done
 */
export async function follow(
  steps: readonly Step[],
  { bin, seconds }: { bin: string; seconds: number },
): Promise<Ended[]> {
  const { npm, denoDir, bun } = await (tools ??= findTools());
  const work = Deno.makeTempDirSync({ prefix: "cni-guide-" });
  try {
    for (const [index, { command }] of steps.entries()) {
      Deno.writeTextFileSync(`${work}/${index}.command`, command);
    }
    Deno.writeTextFileSync(`${work}/session`, session(steps));
    const { stderr } = await new Deno.Command("unshare", {
      args: [
        ...[...NAMESPACES, "--propagation", "private", "--fork", "--kill-child"],
        ...["timeout", "--signal=KILL", String(seconds), "bash", "-c", ENTER, "enter"],
        ...[ROOT, npm, denoDir, Deno.execPath(), bun, bin, work],
      ],
      env: { PATH: programPath() },
      stdin: "null",
    }).output();
    return ends(work, steps.length, new TextDecoder().decode(stderr));
  } finally {
    Deno.removeSync(work, { recursive: true });
  }
}

/** The shell's own program: whatever a step leaves in the shell, the next one finds there. */
function session(steps: readonly Step[]): string {
  const lines = steps.map(({ stays }, index) => {
    const file = `/run/guide/${index}`;
    const evaluate = `eval "$(cat ${file}.command)" >${file}.output 2>&1 </dev/null`;
    return stays
      ? `{ ${evaluate}; } & echo 0 >${file}.status`
      : `${evaluate}; echo $? >${file}.status; [ "$(cat ${file}.status)" = 0 ] || exit 0`;
  });
  return [`cd ${CHECKOUT}`, ...lines, ""].join("\n");
}

/** Reads what came of the steps. A step without an end is one that took too long. */
function ends(work: string, count: number, stderr: string): Ended[] {
  const found: Ended[] = [];
  for (let index = 0; index < count; index++) {
    const output = read(`${work}/${index}.output`);
    const status = read(`${work}/${index}.status`);
    if (output === undefined && index === 0) throw new Error(`there is no host: ${stderr}`);
    if (output === undefined) break;
    found.push({ code: status === undefined ? 137 : Number(status), output });
  }
  return found;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function findTools(): Promise<Tools> {
  const output = async (program: string, args: string[]) => {
    const { stdout } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  const { denoDir } = JSON.parse(await output(Deno.execPath(), ["info", "--json"]));
  const npm = await output("npm", ["config", "get", "cache"]);
  const { path } = await findBun();
  const bun = path.startsWith("/") ? path : await output("which", [path]);
  return { npm, denoDir, bun };
}
