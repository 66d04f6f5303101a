import { importsOf } from "./imports.ts";
import type { Source } from "./sources.ts";

/** The folders of `lib/`, lowest first. Each may import from those before it. */
const LAYERS = [
  "deps",
  "runtime",
  "types",
  "cli",
  "ip",
  "netlink",
  "libc",
  "observe",
  "ns",
  "nl",
  "rtnl",
  "state",
  "host",
  "conntrack",
  "dbus",
  "nftables",
  "iptables",
  "server",
  "firewall",
  "invoke",
  "ipam",
  "skel",
  "attach",
  "libcni",
  "cnitool",
  "install",
  "resident",
];

/** Whether a file is one of the public interface: those beside `mod.ts`. */
function isEntry(path: string): boolean {
  return !path.includes("/");
}

/** Finds imports of a higher layer, and imports of the library that lead out of it. */
export function findings(files: readonly Source[]): string[] {
  return files.flatMap(({ path, text }) => {
    const [top, folder = ""] = path.split("/");
    if (top !== "lib" && top !== "plugins" || path.endsWith("_test.ts")) return [];
    return importsOf({ path, text }).flatMap((target) => {
      const [targetTop, targetFolder = ""] = target.split("/");
      if (targetTop !== "lib") {
        const own = path.split("/").slice(0, 3).join("/");
        // A plugin that came from elsewhere may use the public interface, as it did there.
        return top === "plugins" && (target.startsWith(`${own}/`) || isEntry(target))
          ? []
          : [`${path} imports ${target}, which is outside what it may import`];
      }
      if (top === "plugins") return [];
      const [from, to] = [LAYERS.indexOf(folder), LAYERS.indexOf(targetFolder)];
      if (from < 0) return [`${path} is in a folder that has no place among the layers`];
      return to <= from ? [] : [`${path} imports ${target}, which is above it`];
    });
  });
}
