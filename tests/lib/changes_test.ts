import { assert, assertEquals } from "@std/assert";
import { Cidr } from "../../lib/ip/cidr.ts";
import { RTN_LOCAL, RTNLGRP_IPV6_ROUTE } from "../../lib/netlink/route.ts";
import { Changes } from "../../lib/rtnl/changes.ts";
import { Rtnl } from "../../lib/rtnl/rtnl.ts";
import { kernelTest } from "../support/sandbox.ts";

kernelTest(
  "Changes: until() returns when the kernel has made the change, or time is up",
  async (sandbox) => {
    const netns = sandbox.container();
    sandbox.run("ip", ["link", "add", "br0", "type", "bridge"], { netns });
    sandbox.run("ip", ["link", "set", "br0", "up"], { netns });
    using inside = Rtnl.open(netns);
    using changes = Changes.in(netns, [RTNLGRP_IPV6_ROUTE]);
    const address = Cidr.parse("fd00::1/128");
    let asked = 0;
    const arrived = () => {
      asked++;
      return inside.route.list({ family: 6 })
        .some(({ to, type }) => type === RTN_LOCAL && to.equals(address));
    };
    assertEquals(await changes.until(arrived, 20), false);
    assertEquals(asked, 2);
    inside.address.add(inside.link.get("br0"), address, { noDad: true });
    assert(await changes.until(arrived, 5000));
    assert(asked < 20, `asked ${asked} times`);
  },
);
