import { assertEquals } from "@std/assert";
import { tokenBucket } from "./qdisc.ts";

Deno.test("tokenBucket() computes what the Go plugin does", () => {
  // 8 Mbit/s and 16 kbit at once: 2000 bytes last 2 ms, which are 31250 ticks.
  assertEquals(tokenBucket(1_000_000n, 2000, 25), {
    rate: 1_000_000n,
    limit: 27_000,
    buffer: 31_250,
  });
});

Deno.test("tokenBucket() stays within 32 bits, and a bucket is never empty for good", () => {
  assertEquals(tokenBucket(1n, 2 ** 32 - 2, 25), {
    rate: 1n,
    limit: 2 ** 32 - 2,
    buffer: 2 ** 32 - 1,
  });
  const rate = 1n << 60n;
  assertEquals(tokenBucket(rate, 2000, 25), { rate, limit: 2 ** 32 - 1, buffer: 15 });
});
