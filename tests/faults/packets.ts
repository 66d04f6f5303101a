/**
 * What the documentation promises about packets, attacked: each promise in every circumstance, and
 * each attack where nothing keeps the promise, too, where it must succeed. The promises are lists
 * in `tests/support/faults/packets`.
 *
 * @module
 */
import { LINK } from "../support/faults/packets/link.ts";
import { NAMES } from "../support/faults/packets/names.ts";
import { POLICIES } from "../support/faults/packets/policies.ts";
import { PORTS } from "../support/faults/packets/ports.ts";
import { SOURCES } from "../support/faults/packets/sources.ts";
import { casesOf } from "../support/faults/packets/promise.ts";
import type { FaultSuite } from "../support/faults/suite.ts";

export const suite: FaultSuite = {
  title: "each promise about packets, and each known vulnerability, attacked",
  share: 1,
  cases: [...LINK, ...PORTS, ...SOURCES, ...POLICIES, ...NAMES].flatMap(casesOf),
};
