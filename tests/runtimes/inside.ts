/**
 * The process of one scenario, in namespaces of its own. Its argument is an {@link Order}; it writes
 * a {@link Message} a line, and ends with 1 when the scenario failed, and why on standard error.
 *
 * @module
 */
import { startResident } from "../support/resident.ts";
import { BIN, Host } from "./host.ts";
import type { Order } from "./order.ts";
import { SCENARIOS } from "./scenarios.ts";

const order: Order = JSON.parse(Deno.args[0]!);
const scenario = SCENARIOS.find(({ name }) => name === order.scenario)!;
try {
  const host = await Host.enter(order);
  await using _server = await startResident(BIN);
  await scenario.run(host);
} catch (error) {
  console.error(error instanceof Error ? error.stack : error);
  Deno.exit(1);
}
// Whatever still runs ends with the namespace of processes.
Deno.exit(0);
