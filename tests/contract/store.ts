/**
 * What every store of reservations does, whatever it keeps them in.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { IpAddress } from "../../lib/ip/address.ts";
import type { Owner, Store } from "../../plugins/ipam/host-local/store.ts";

const A: Owner = { containerId: "a", ifName: "eth0" };
const A1: Owner = { containerId: "a", ifName: "eth1" };
const B: Owner = { containerId: "b", ifName: "eth0" };
const ip = IpAddress.parse;
const sorted = (addresses: IpAddress[]) => addresses.map(String).sort();

/** A store to test, opened as often as a test likes; only the last one opened is used. */
export interface StoreFixture extends Disposable {
  open(): Store | Promise<Store>;
}

/** Tests a store. @param create makes an empty one; between `open`s its content stays */
export function testStore(name: string, create: () => StoreFixture): void {
  type Reopen = (work: (store: Store) => void) => Promise<void>;
  const test = (what: string, run: (reopen: Reopen) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      using fixture = create();
      await run(async (work) => {
        using store = await fixture.open();
        work(store);
      });
    });

  test("reserve() gives the first free candidate, and says how many were taken", async (reopen) => {
    const both = [ip("10.0.0.2"), ip("10.0.0.3")];
    await reopen((store) => {
      assertEquals(store.reserve(both, A), { address: both[0]! });
      assertEquals(store.reserve(both, B), { address: both[1]! });
    });
    await reopen((store) => {
      assertEquals(store.reserve(both, A1), { address: undefined, tried: 2 });
      assertEquals(store.holderOf(both[0]!), A);
      assertEquals(store.holderOf(both[1]!), B);
      assertEquals(store.holderOf(ip("10.0.0.4")), undefined);
      assertEquals(sorted(store.addresses()), ["10.0.0.2", "10.0.0.3"]);
    });
  });

  test("reserve() finds the one free address among many", async (reopen) => {
    const many = Array.from({ length: 300 }, (_, index) => ip("10.0.0.1").add(index));
    await reopen((store) => {
      for (const address of many) store.reserve([address], B);
      store.release(many[217]!, B);
    });
    await reopen((store) => assertEquals(store.reserve(many, A), { address: many[217]! }));
    await reopen((store) =>
      assertEquals(store.reserve(many, A), { address: undefined, tried: 300 })
    );
  });

  test("heldBy() knows all addresses of an attachment, of both families", async (reopen) => {
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]);
    });
    await reopen((store) => void store.reserve([ip("fd00::2")], A));
    await reopen((store) => {
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2", "fd00::2"]);
      assertEquals(store.heldBy(A1), []);
      assertEquals(store.heldBy(B), []);
    });
  });

  test("release() gives back one address, and only its owner's", async (reopen) => {
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("fd00::2")], A);
      store.release(ip("10.0.0.2"), A1);
      store.release(ip("10.0.0.2"), B);
      store.release(ip("fd00::2"), A);
      store.release(ip("10.0.0.9"), A);
    });
    await reopen((store) => assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]));
  });

  test("releaseAll() gives back everything of one attachment and nothing else", async (reopen) => {
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("fd00::2")], A);
      store.reserve([ip("10.0.0.3")], A1);
    });
    await reopen((store) => store.releaseAll(A));
    await reopen((store) => {
      store.releaseAll(A);
      store.releaseAll(B);
      assertEquals(sorted(store.addresses()), ["10.0.0.3"]);
      assertEquals(store.heldBy(A), []);
    });
  });

  test("a reservation without interface belongs to whoever has nothing else", async (reopen) => {
    const old: Owner = { containerId: "a", ifName: "" };
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], old);
      store.reserve([ip("10.0.0.3")], A1);
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]);
      assertEquals(sorted(store.heldBy(A1)), ["10.0.0.3"]);
    });
    await reopen((store) => store.releaseAll(A));
    await reopen((store) => assertEquals(sorted(store.addresses()), ["10.0.0.3"]));
  });

  test("noteLastReserved() is kept for each set", async (reopen) => {
    await reopen((store) => {
      assertEquals(store.lastReserved(0), undefined);
      store.noteLastReserved(0, ip("10.0.0.2"));
      store.noteLastReserved(1, ip("fd00::2"));
      store.noteLastReserved(0, ip("10.0.0.3"));
    });
    await reopen((store) => {
      assertEquals(String(store.lastReserved(0)), "10.0.0.3");
      assertEquals(String(store.lastReserved(1)), "fd00::2");
    });
  });

  test("isKnownGone() goes by the note, which ends with the reservations", async (reopen) => {
    const netns = { path: "/nothing/is/here", dev: 4, ino: 4026532177 };
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("fd00::2")], A);
      store.reserve([ip("10.0.0.3")], B);
      assertEquals(store.isKnownGone(A), false);
      store.noteNetNs(A, netns);
    });
    await reopen((store) => {
      assertEquals([A, A1, B].map((owner) => store.isKnownGone(owner)), [true, false, false]);
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2", "fd00::2"]);
      store.release(ip("10.0.0.2"), A);
      assertEquals(store.isKnownGone(A), true);
      store.releaseAll(A);
      assertEquals(store.isKnownGone(A), false);
      store.reserve([ip("10.0.0.2")], A);
      assertEquals(store.isKnownGone(A), false);
    });
    await reopen((store) => assertEquals(store.isKnownGone(A), false));
  });

  test("prune() keeps what it is told to keep", async (reopen) => {
    await reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("10.0.0.3")], A1);
      store.reserve([ip("10.0.0.4")], B);
    });
    await reopen((store) => store.prune(({ containerId }) => containerId === "b"));
    await reopen((store) => {
      assertEquals(sorted(store.addresses()), ["10.0.0.4"]);
      assertEquals(store.heldBy(A), []);
      assertEquals(sorted(store.heldBy(B)), ["10.0.0.4"]);
    });
  });
}
