/**
 * What the documentation promises about packets, as data: the promise, how it is attacked, what is
 * seen where it is kept, and what the same attack does where nothing keeps it.
 *
 * @module
 */
import { type Backend, BACKENDS } from "../../../../lib/firewall/backend_names.ts";
import { ROOT } from "../../../../scripts/support/root.ts";
import type { Requirement } from "../../requirements.ts";
import { inSandbox, type Sandbox } from "../../sandbox.ts";
import type { FaultCase } from "../suite.ts";

/** What is seen of a packet that arrives nowhere. */
export const NOTHING = "nothing";

/** Who rules packets: portmap's and masquerading's backends, and firewalld for the filter. */
export type AnyBackend = Backend | "firewalld";

/** A combination of circumstances that a promise is tried in. */
export interface Shape {
  readonly plugin: "bridge" | "ptp";
  readonly backend: AnyBackend;
  readonly family: 4 | 6;
  /** Who attacks. */
  readonly from: string;
  /** Whom, or with what. */
  readonly by: string;
}

/** A promise. */
export interface PacketPromise {
  /** The start of its cases' names. */
  readonly id: string;
  /**
   * Where it is made: `docs/security.md: A sentence`, which is compared with the document, or a CVE,
   * which docs/security.md must name.
   */
  readonly made: readonly string[];
  /** What is promised. */
  readonly promise: string;
  /** How it is attacked, or used. */
  readonly attack: string;
  /** What keeps the promise in one trial, and is not there in the other one. */
  readonly control: string;
  /** What it is tried in; what is left out has the value of {@link PLAIN}. */
  readonly shapes: readonly Partial<Shape>[];
  readonly needs?: (shape: Shape) => readonly Requirement[];
  /** What is seen where the promise is kept, and in the control. */
  readonly seen: string | ((shape: Shape) => string);
  readonly seenInControl: string | ((shape: Shape) => string);
  /** Attacks. @returns what is seen */
  run(trial: Trial): string | Promise<string>;
}

/** One of an attack's two trials. */
export interface Trial {
  readonly sandbox: Sandbox;
  readonly shape: Shape;
  /** Whether what keeps the promise is there. */
  readonly isKept: boolean;
  /** Whether nothing is expected to arrive, for which nobody waits long. */
  readonly isInVain: boolean;
}

/** The values of a shape that does not say otherwise. */
const PLAIN: Shape = { plugin: "bridge", backend: "nftables", family: 4, from: "", by: "" };

/** All combinations of some values of a shape. */
export function every<K extends keyof Shape>(
  values: { readonly [key in K]: readonly Shape[key][] },
): Partial<Shape>[] {
  let shapes: Partial<Shape>[] = [{}];
  for (const [key, list] of Object.entries(values) as [K, readonly Shape[K][]][]) {
    shapes = shapes.flatMap((shape) => list.map((value) => ({ ...shape, [key]: value })));
  }
  return shapes;
}

export const PLUGINS = ["bridge", "ptp"] as const;
export const FAMILIES = [4, 6] as const;
export { BACKENDS };

/** What a backend cannot do without. */
const NEEDS: Readonly<Record<AnyBackend, readonly Requirement[]>> = {
  nftables: ["nft"],
  iptables: ["nft", "iptables", "ip6tables"],
  firewalld: ["nft", "iptables", "firewalld", "dbus-daemon"],
};

/** The cases of a promise, one a shape. */
export function casesOf(promise: PacketPromise): FaultCase[] {
  return promise.shapes.map((partial) => {
    const shape = { ...PLAIN, ...partial };
    const values = (Object.keys(PLAIN) as (keyof Shape)[])
      .filter((key) => partial[key] !== undefined).map((key) => `${partial[key]}`);
    return {
      id: [promise.id, ...values].join("/").replaceAll(" ", "-"),
      needs: [...NEEDS[shape.backend], ...promise.needs?.(shape) ?? []],
      async run(room) {
        promise.made.forEach(expectMade);
        await tryOut(promise, shape, false);
        room.count("attacks that succeed unopposed");
        await tryOut(promise, shape, true);
        room.count("promises kept");
      },
    };
  });
}

async function tryOut(promise: PacketPromise, shape: Shape, isKept: boolean): Promise<void> {
  const { seen, seenInControl } = promise;
  const wanted = isKept ? seen : seenInControl;
  const expected = typeof wanted === "string" ? wanted : wanted(shape);
  let actual = "";
  await inSandbox(async (sandbox) => {
    actual = await promise.run({ sandbox, shape, isKept, isInVain: expected === NOTHING });
  });
  if (actual === expected) return;
  throw new Error(
    `${promise.promise}\n  attack: ${promise.attack}\n` +
      (isKept ? "" : `  in the control, without ${promise.control}\n`) +
      `  seen: ${actual}\n  expected: ${expected}`,
  );
}

/** @throws {Error} when a document does not say what is said that it does */
function expectMade(where: string): void {
  const [, document, sentence] = /^(docs\/\S+): (.*)$/s.exec(where) ??
    [, "docs/security.md", where];
  const text = Deno.readTextFileSync(`${ROOT}/${document}`).replaceAll(/[\s|]+/g, " ");
  if (!text.includes(sentence!)) throw new Error(`${document} does not say: ${sentence}`);
}
