/**
 * A plugin to copy. It is chained behind one that makes an interface, and puts that into a group,
 * which `ip link show group 42` lists and the container's firewall rules can name (`iifgroup 42`).
 *
 * Made: the interface's group. Undone: DEL sets it back to 0, if the interface is still there.
 *
 * @module
 */
// In a project of your own: "@cni/cni/netlink" and so on, or the URLs of the files.
import { type Link, requirePrivileges, Rtnl } from "../../netlink.ts";
import { NetNs } from "../../netns.ts";
import { definePlugin, requirePrevResult, runPlugin } from "../../plugin.ts";
import { goObject, type Infer, integer } from "../../schema.ts";
import { CniError, type Result } from "../../types.ts";

/** What a configuration says beside "type". */
const options = () =>
  goObject({
    /** Number of the group. 0 is that of every interface that nobody put into another. */
    group: integer({ min: 1, max: 0xffffffff }),
  });

const plugin = definePlugin<Infer<ReturnType<typeof options>>>({
  name: "link-group",
  options,

  add(call): Result {
    const { netns, ifName, options: { group }, undo } = call;
    const prevResult = requirePrevResult(call); // it must be chained behind another plugin
    using container = NetNs.open(netns);
    using inside = Rtnl.open(container);
    const before = inside.link.get(ifName).group;
    undo.step(
      "the link's group",
      () => inside.link.set(ifName, { group }),
      // When the ADD fails later. The namespace is opened again: this one is closed by then.
      () => withLink(netns, ifName, setGroup(before)),
    );
    return prevResult;
  },

  // Succeeds, however often it is called, and with whatever is already gone.
  del({ netns, ifName }) {
    withLink(netns, ifName, setGroup(0));
  },

  check({ netns, ifName, options: { group } }) {
    using container = NetNs.open(netns);
    using inside = Rtnl.open(container);
    const found = inside.link.get(ifName).group;
    if (found === group) return;
    throw CniError.internal(`${ifName} is in group ${found}, and should be in ${group}`);
  },

  // Every kernel has groups.
  status() {
    requirePrivileges();
  },

  // It keeps nothing outside the interface, which goes with its container.
  gc() {},
});

function setGroup(group: number) {
  return (inside: Rtnl, link: Link) => inside.link.set(link, { group });
}

/** Does `work` on the container's interface; nothing when that, or the container, is gone. */
function withLink(netns: string, ifName: string, work: (inside: Rtnl, link: Link) => void): void {
  using container = NetNs.openIfPresent(netns);
  if (!container) return;
  using inside = Rtnl.open(container);
  const link = inside.link.find(ifName);
  if (link) work(inside, link);
}

export default plugin;

if (import.meta.main) await runPlugin(plugin);
