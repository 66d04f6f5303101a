import { assertEquals, assertRejects } from "@std/assert";
import type { Link } from "../../../lib/rtnl/link.ts";
import { CniError } from "../../../lib/types/error.ts";
import { awaitPort } from "./await_port.ts";

const port = { index: 7, name: "veth0" };

/** Links that are asked for one and are in these states, one after another. */
function links(...states: Link["operState"][]) {
  return {
    asked: 0,
    getMeanwhile(index: unknown) {
      assertEquals(index, port.index);
      const operState = states[Math.min(this.asked++, states.length - 1)];
      return Promise.resolve({ operState } as Link);
    },
  };
}

Deno.test("awaitPort() returns once the port is up", async () => {
  const slow = links("down", "lowerlayerdown", "up", "down");
  await awaitPort(slow, port);
  assertEquals(slow.asked, 3);
});

Deno.test("awaitPort() gives up on a port that stays down, naming its state", async () => {
  const error = await assertRejects(() => awaitPort(links("lowerlayerdown"), port, 3), CniError);
  assertEquals(error.code, 999);
  assertEquals(/veth0 is lowerlayerdown after 3 ms/.test(error.message), true);
});
