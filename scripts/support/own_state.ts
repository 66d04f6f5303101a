import { call } from "../../lib/libc/call.ts";
import { Descriptor, O_RDONLY } from "../../lib/libc/descriptor.ts";
import { mounts } from "../../lib/libc/symbols.ts";
import { cString } from "../../lib/runtime/c_string.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { ROOT } from "./root.ts";

const MS_BIND = 0x1000;
const MS_REC = 0x4000;

/**
 * Mounts an empty /run and /var/lib for this process and those it starts, and sets `lo` up: state
 * of the machine is neither used nor changed. The project stays visible where it is in one of them.
 * For scripts that were isolated by `reexecIsolated`.
 */
export function ownState(): void {
  using project = Descriptor.open(ROOT, O_RDONLY);
  for (const directory of ["/run", "/var/lib"]) {
    mount("tmpfs", directory, "tmpfs", 0);
    if (!ROOT.startsWith(`${directory}/`)) continue;
    Deno.mkdirSync(ROOT, { recursive: true });
    mount(`/proc/self/fd/${project.number}`, ROOT, null, MS_BIND | MS_REC);
  }
  using rtnl = Rtnl.open();
  rtnl.link.set("lo", { up: true });
}

function mount(source: string, target: string, type: string | null, flags: number): void {
  const [from, to] = [cString(source), cString(target)];
  const kind = type === null ? null : cString(type);
  call(
    () => mounts().mount(from, to, kind, flags, null),
    () => `mount a file system of our own at ${target}`,
  );
}
