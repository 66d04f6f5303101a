import { assertEquals, assertRejects } from "@std/assert";
import { Cidr } from "../ip/cidr.ts";
import type { Link } from "../rtnl/link.ts";
import { CniError } from "../types/error.ts";
import { awaitUnique } from "./unique_addresses.ts";

const OWN = Cidr.parse("fd00::2/64");
const OTHER = Cidr.parse("fe80::2/64");

/** An interface whose addresses are in another state each time one looks. */
function inside(
  looks: ("tentative" | "duplicate" | "usable")[],
  link: Partial<Link>,
  address = OWN,
) {
  let looked = 0;
  return {
    times: () => looked,
    address: {
      list: () => {
        const state = looks[Math.min(looked++, looks.length - 1)]!;
        return [{
          device: 2,
          address,
          scope: 0,
          permanent: true,
          tentative: state === "tentative",
          duplicate: state === "duplicate",
        }];
      },
    },
    link: { get: () => ({ name: "eth0", index: 2, ...link }) as Link },
  };
}

const link = { name: "eth0", index: 2 } as Link;

Deno.test("awaitUnique() waits until the addresses are usable", async () => {
  const some = inside(["tentative", "tentative", "usable"], { carrier: true });
  await awaitUnique(some, link, [OWN]);
  assertEquals(some.times(), 3);
});

Deno.test("awaitUnique() waits for no other addresses than those it is told", async () => {
  const some = inside(["tentative"], { carrier: true }, OTHER);
  await awaitUnique(some, link, [OWN]);
  assertEquals(some.times(), 1);
});

Deno.test("awaitUnique() does not wait for a carrier that another interface would have to get", async () => {
  const some = inside(["tentative"], { carrier: false, parent: 7 });
  await awaitUnique(some, link, [OWN]);
  assertEquals(some.times(), 1);
});

Deno.test("awaitUnique() waits for hardware to get its carrier", async () => {
  const some = inside(["tentative", "tentative", "usable"], { carrier: false });
  await awaitUnique(some, link, [OWN]);
  assertEquals(some.times(), 3);
});

Deno.test("awaitUnique() fails when another host has an address", async () => {
  const some = inside(["tentative", "duplicate"], { carrier: true });
  await assertRejects(
    () => awaitUnique(some, link, [OWN]),
    CniError,
    "another host on the link of eth0 already uses fd00::2/64",
  );
});
