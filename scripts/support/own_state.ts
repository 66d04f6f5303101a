import { call } from "../../lib/libc/call.ts";
import { cString } from "../../lib/runtime/c_string.ts";
import { mounts } from "../../lib/libc/symbols.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";

/**
 * An empty /run and /var/lib for this process and those it starts, and `lo` up: state of the
 * machine neither helps nor is touched. For scripts that were isolated by `reexecIsolated`.
 */
export function ownState(): void {
  for (const directory of ["/run", "/var/lib"]) {
    const [source, target, type] = ["tmpfs", directory, "tmpfs"].map(cString);
    call(
      () => mounts().mount(source!, target!, type!, 0, null),
      () => `mount a file system of our own at ${directory}`,
    );
  }
  using rtnl = Rtnl.open();
  rtnl.link.set("lo", { up: true });
}
