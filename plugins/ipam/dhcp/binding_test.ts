import { assert, assertEquals, assertRejects } from "@std/assert";
import { Binding } from "./binding.ts";
import type { Client, Configuration } from "./configuration.ts";
import { reportOf } from "./lease_result.ts";
import { now } from "./time.ts";

const END = new Error("nothing more is granted");

/** A configuration that is to be renewed at once. */
function configuration(address: string): Configuration {
  const [renewAt, rebindAt, expiresAt] = [0, null, null];
  return { ips: [{ address }], routes: [], dns: {}, server: "s", renewAt, rebindAt, expiresAt };
}

/** A server that grants one address after the other, and what it is seen to have granted since. */
function bindingOf(addresses: readonly string[], current?: Configuration) {
  const stop = new AbortController();
  const rest = [...addresses];
  const seen: [string, number | undefined][] = [];
  const grant = () => {
    const address = rest.shift();
    if (address === undefined) stop.abort(END);
    stop.signal.throwIfAborted();
    return Promise.resolve(configuration(address!));
  };
  const client: Client<Configuration> = {
    acquire: grant,
    renew: async () => ({ granted: await grant(), refused: false }),
    rebind: grant as never,
    release: () => {},
  };
  const context = {
    reconfigure: () => undefined,
    changed: () => seen.push([binding.current!.ips[0]!.address, binding.current!.since]),
    log: () => {},
  };
  const binding: Binding<Configuration> = new Binding(client, context, current);
  return { binding, seen, stop };
}

Deno.test("a binding has an address since it was acquired, however often it is renewed", async () => {
  const { binding, seen, stop } = bindingOf(["10.0.0.1/8", "10.0.0.1/8", "10.0.0.2/8"]);
  const begun = now();
  await binding.acquire(null, stop.signal);
  const { since } = binding.current!;
  assert(since !== undefined && since >= begun && since <= now());
  const reported = reportOf(4, binding).since!;
  assert(Math.abs(Date.now() - reported) < 60_000, "in milliseconds since 1970");
  await assertRejects(() => binding.maintain(stop.signal), Error, END.message);
  assertEquals(seen[0], ["10.0.0.1/8", since]);
  assertEquals(seen[1]![0], "10.0.0.2/8");
  assert(seen[1]![1]! >= since);
});

Deno.test("a binding of an earlier daemon has its address since then, or one does not know", async () => {
  for (const since of [7, undefined]) {
    const current = { ...configuration("10.0.0.1/8"), since };
    const { binding, seen, stop } = bindingOf(["10.0.0.1/8", "10.0.0.2/8"], current);
    assertEquals(reportOf(4, binding).since === undefined, since === undefined);
    await assertRejects(() => binding.maintain(stop.signal), Error, END.message);
    assertEquals(seen[0], ["10.0.0.1/8", since]);
    assert(seen[1]![1]! > 7);
  }
});
