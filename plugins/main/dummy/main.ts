/**
 * dummy gives a container an interface that leads nowhere: an address to bind to, or to route.
 *
 * Made: the interface, the address reservation, addresses and routes. Undone: the interface, then the
 * reservation.
 *
 * @module
 */
import type { AnyPlugin } from "../../../lib/skel/plugin.ts";
import { linkPlugin } from "../../../lib/attach/link_plugin.ts";
import { runPlugin } from "../../../lib/skel/run_plugin.ts";

const KIND = "dummy";

const dummy: AnyPlugin = linkPlugin({
  name: "dummy",
  kind: KIND,
  requiresIpam: true,
  noDad: true,
  create: ({ ifName }, { inside }) => inside.link.add({ name: ifName, kind: KIND }),
});

export default dummy;

if (import.meta.main) await runPlugin(dummy);
