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
  open(): Store;
}

/** Tests a store. @param create makes an empty one; between `open`s its content stays */
export function testStore(name: string, create: () => StoreFixture): void {
  const test = (what: string, run: (reopen: (work: (store: Store) => void) => void) => void) =>
    Deno.test(`${name}: ${what}`, () => {
      using fixture = create();
      run((work) => {
        using store = fixture.open();
        work(store);
      });
    });

  test("reserve() gives the first free candidate, and says how many were taken", (reopen) => {
    const both = [ip("10.0.0.2"), ip("10.0.0.3")];
    reopen((store) => {
      assertEquals(store.reserve(both, A), { address: both[0]! });
      assertEquals(store.reserve(both, B), { address: both[1]! });
    });
    reopen((store) => {
      assertEquals(store.reserve(both, A1), { address: undefined, tried: 2 });
      assertEquals(store.holderOf(both[0]!), A);
      assertEquals(store.holderOf(both[1]!), B);
      assertEquals(store.holderOf(ip("10.0.0.4")), undefined);
      assertEquals(sorted(store.addresses()), ["10.0.0.2", "10.0.0.3"]);
    });
  });

  test("reserve() finds the one free address among many", (reopen) => {
    const many = Array.from({ length: 300 }, (_, index) => ip("10.0.0.1").add(index));
    reopen((store) => {
      for (const address of many) store.reserve([address], B);
      store.release(many[217]!, B);
    });
    reopen((store) => assertEquals(store.reserve(many, A), { address: many[217]! }));
    reopen((store) => assertEquals(store.reserve(many, A), { address: undefined, tried: 300 }));
  });

  test("heldBy() knows all addresses of an attachment, of both families", (reopen) => {
    reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]);
    });
    reopen((store) => void store.reserve([ip("fd00::2")], A));
    reopen((store) => {
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2", "fd00::2"]);
      assertEquals(store.heldBy(A1), []);
      assertEquals(store.heldBy(B), []);
    });
  });

  test("release() gives back one address, and only its owner's", (reopen) => {
    reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("fd00::2")], A);
      store.release(ip("10.0.0.2"), A1);
      store.release(ip("10.0.0.2"), B);
      store.release(ip("fd00::2"), A);
      store.release(ip("10.0.0.9"), A);
    });
    reopen((store) => assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]));
  });

  test("releaseAll() gives back everything of one attachment and nothing else", (reopen) => {
    reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("fd00::2")], A);
      store.reserve([ip("10.0.0.3")], A1);
    });
    reopen((store) => store.releaseAll(A));
    reopen((store) => {
      store.releaseAll(A);
      store.releaseAll(B);
      assertEquals(sorted(store.addresses()), ["10.0.0.3"]);
      assertEquals(store.heldBy(A), []);
    });
  });

  test("a reservation without interface belongs to whoever has nothing else", (reopen) => {
    const old: Owner = { containerId: "a", ifName: "" };
    reopen((store) => {
      store.reserve([ip("10.0.0.2")], old);
      store.reserve([ip("10.0.0.3")], A1);
      assertEquals(sorted(store.heldBy(A)), ["10.0.0.2"]);
      assertEquals(sorted(store.heldBy(A1)), ["10.0.0.3"]);
    });
    reopen((store) => store.releaseAll(A));
    reopen((store) => assertEquals(sorted(store.addresses()), ["10.0.0.3"]));
  });

  test("remember() is kept for each set", (reopen) => {
    reopen((store) => {
      assertEquals(store.lastReserved(0), undefined);
      store.remember(0, ip("10.0.0.2"));
      store.remember(1, ip("fd00::2"));
      store.remember(0, ip("10.0.0.3"));
    });
    reopen((store) => {
      assertEquals(String(store.lastReserved(0)), "10.0.0.3");
      assertEquals(String(store.lastReserved(1)), "fd00::2");
    });
  });

  test("prune() keeps what it is told to keep", (reopen) => {
    reopen((store) => {
      store.reserve([ip("10.0.0.2")], A);
      store.reserve([ip("10.0.0.3")], A1);
      store.reserve([ip("10.0.0.4")], B);
    });
    reopen((store) => store.prune(({ containerId }) => containerId === "b"));
    reopen((store) => {
      assertEquals(sorted(store.addresses()), ["10.0.0.4"]);
      assertEquals(store.heldBy(A), []);
      assertEquals(sorted(store.heldBy(B)), ["10.0.0.4"]);
    });
  });
}
