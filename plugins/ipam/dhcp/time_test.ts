import { assert, assertEquals, assertRejects } from "@std/assert";
import { now, onCalendar, parseDuration, sleepUntil } from "./time.ts";
import { retransmissionDelays } from "./retransmission.ts";
import { times } from "./configuration.ts";

Deno.test("parseDuration() reads durations as Go writes them", () => {
  const ms = ["10s", "1m30s", "1.5h", "250ms", ".5s", "500us", "500µs", "9ns", "0"].map(
    parseDuration,
  );
  assertEquals(ms, [10_000, 90_000, 5_400_000, 250, 500, 0.5, 0.5, 0.000009, 0]);
  for (const bad of ["", "10", "s", ".s", "-1s", "1 s", "1d"]) {
    assertEquals(parseDuration(bad), undefined);
  }
});

Deno.test("sleepUntil() ends when its signal says so", async () => {
  const stop = new AbortController();
  const asleep = sleepUntil(null, stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => asleep, Error, "enough");
  await sleepUntil(now() - 1, new AbortController().signal);
});

Deno.test("sleepUntil() does not mind that the calendar is set", async () => {
  const { now: calendar } = Date;
  const asleep = sleepUntil(now() + 20, new AbortController().signal);
  const expiry = now() + 60_000;
  const before = onCalendar(expiry)!;
  try {
    Date.now = () => calendar() - 86_400_000;
    await asleep;
    assert(Math.abs(onCalendar(expiry)! - (before - 86_400_000)) < 10_000);
  } finally {
    Date.now = calendar;
  }
});

Deno.test("retransmissionDelays() double from four seconds on, with some spread (RFC 2131)", () => {
  const timing = {
    timeoutMs: 10_000,
    resendMaxMs: 62_000,
    resendTimeoutMs: 1,
    broadcast: false,
    checkIntervalMs: 1,
  };
  const take = (count: number, source: Iterator<number>) =>
    Array.from({ length: count }, () => source.next().value);
  const [first, ...rest] = take(7, retransmissionDelays(timing, true));
  assertEquals(first, 500);
  for (const [index, center] of [4000, 8000, 16_000, 32_000, 62_000, 62_000].entries()) {
    assert(Math.abs(rest[index]! - center) <= 1000, `${rest[index]} near ${center}`);
  }
  const [short] = take(1, retransmissionDelays({ ...timing, timeoutMs: 1000 }));
  assert(short! >= 750 && short! <= 1250, `${short}`);
});

Deno.test("times() takes what a server says where that makes sense", () => {
  const seconds = (lifetimes: Parameters<typeof times>[0]) => {
    const { renewAt, rebindAt, expiresAt } = times(lifetimes, [0.5, 0.875], 0);
    return [renewAt, rebindAt, expiresAt].map((time) => time && Math.round(time / 100) / 10);
  };
  assertEquals(seconds({ lease: 80, renewal: 10, rebinding: 20 }), [10, 20, 80]);
  assertEquals(seconds({ lease: 80 }), [40, 70, 80]);
  assertEquals(seconds({ lease: 80, renewal: 10 }), [10, 70, 80]);
  assertEquals(seconds({ lease: 80, rebinding: 60 }), [40, 60, 80]);
  assertEquals(seconds({ lease: 80, renewal: 10, rebinding: 80 }), [10, 70, 80]);
  for (const [renewal, rebinding] of [[20, 10], [0, 10], [90, 95]] as const) {
    assertEquals(seconds({ lease: 80, renewal, rebinding }), [40, 70, 80]);
  }
  assertEquals(seconds({ lease: 0 }), [0.5, 0.9, 1]);
  assertEquals(seconds({ lease: 0xffffffff, renewal: 5, rebinding: 9 }), [null, null, null]);
});
