import { assertEquals } from "@std/assert";
import {
  domain,
  offeredRoutes,
  prefixLength,
  searchList,
  text,
  uint16,
  uint32,
} from "./options.ts";

const options = (...entries: [number, number[]][]) =>
  new Map(entries.map(([code, bytes]) => [code, Uint8Array.from(bytes)]));
const routes = (...entries: [number, number[]][]) =>
  offeredRoutes(options(...entries)).map(({ to, via }) => `${to} ${via ?? "link"}`);

Deno.test("prefixLength() takes masks, and nothing else", () => {
  const of = (...mask: number[]) => prefixLength(options([1, mask]));
  assertEquals([of(255, 255, 255, 0), of(255, 255, 240, 0), of(255, 255, 255, 255)], [24, 20, 32]);
  assertEquals([of(0, 0, 0, 0), of(255, 0, 255, 0), of(255, 255), of()], [
    0,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("offeredRoutes() prefers classless routes to all others (RFC 3442)", () => {
  const others: [number, number[]][] = [
    [3, [10, 0, 0, 1, 10, 0, 0, 2]],
    [33, [10, 9, 9, 9, 10, 0, 0, 3, 172, 16, 5, 0, 10, 0, 0, 4, 192, 168, 7, 7, 10, 0, 0, 5]],
  ];
  assertEquals(routes(...others), [
    "10.0.0.0/8 10.0.0.3",
    "172.16.0.0/16 10.0.0.4",
    "192.168.7.0/24 10.0.0.5",
    "0.0.0.0/0 10.0.0.1",
  ]);
  const classless = [25, 10, 1, 2, 129, 10, 0, 0, 6, 0, 0, 0, 0, 0];
  assertEquals(routes(...others, [121, classless]), ["10.1.2.128/25 10.0.0.6", "0.0.0.0/0 link"]);
  // Empty or malformed, it counts as absent.
  for (const bad of [[], [33, 10, 1, 2, 3, 4, 10, 0, 0, 6], [24, 10, 1]]) {
    assertEquals(routes([3, [10, 0, 0, 1]], [121, bad]), ["0.0.0.0/0 10.0.0.1"], bad.join());
  }
});

Deno.test("numbers and texts of another length than they are defined with are absent", () => {
  const some = options([51, [0, 0, 1, 0]], [58, [1]], [26, [5, 220]], [12, [104, 105, 0, 0]]);
  assertEquals([uint32(some, 51), uint32(some, 58), uint32(some, 59)], [256, undefined, undefined]);
  assertEquals([uint16(some, 26), uint16(some, 51)], [1500, undefined]);
  assertEquals([text(some, 12), text(some, 15)], ["hi", undefined]);
});

Deno.test("names that a resolver's file could not hold are absent", () => {
  const named = (name: string) => domain(new Map([[15, new TextEncoder().encode(name)]]));
  assertEquals(named("a-1.example.org"), "a-1.example.org");
  assertEquals(named("example.org\0"), "example.org");
  for (const bad of ["", "a b", "a\nnameserver 6.6.6.6", "-a", "a..b", "x".repeat(64)]) {
    assertEquals(named(bad), undefined, bad);
  }
  // RFC 3397's own example: a pointer to the end of the name before.
  const search = [3, 101, 110, 103, 5, 97, 112, 112, 108, 101, 3, 99, 111, 109, 0, 9, 109, 97, 114];
  const more = [107, 101, 116, 105, 110, 103, 0xc0, 4];
  const list = searchList(options([119, [...search, ...more]]));
  assertEquals(list, ["eng.apple.com", "marketing.apple.com"]);
});
