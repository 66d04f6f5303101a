/**
 * Compares a rule set of ours with the one that `nft` makes of text.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { unpackAttributes } from "../../lib/netlink/attributes.ts";
import {
  NFT_ELEMENTS,
  NFT_GETCHAIN,
  NFT_GETRULE,
  NFT_GETSET,
  NFT_GETSETELEM,
  NFT_GETTABLE,
  NFT_SET,
} from "../../lib/netlink/nftables.ts";
import { netfilter } from "../../lib/nl/netfilter.ts";
import type { Sandbox } from "./sandbox.ts";

/** The version whose messages ours are compared with, attribute by attribute. */
const EXACT = "1.0.6";

/**
 * Expects that `ours` makes the rule set that `nft -f` makes of `text` in another namespace: as the
 * kernel tells of it over netlink where `nft` is {@link EXACT}, and as `nft -j list ruleset` prints
 * it with any other version.
 */
export async function assertSameRuleset(
  sandbox: Sandbox,
  ours: () => unknown,
  text: string,
): Promise<void> {
  await ours();
  const theirs = sandbox.container();
  const file = `${sandbox.directory}/rules.nft`;
  Deno.writeTextFileSync(file, text);
  sandbox.run("nft", ["-f", file], { netns: theirs });
  const print = (...options: string[]) =>
    [undefined, theirs].map((netns) =>
      sandbox.run("nft", [...options, "list", "ruleset"], { netns })
    );
  const [printed, expected] = print();
  assertEquals(printed, expected);
  const [json, expectedJson] = print("-j").map(withoutHandles);
  assertEquals(json, expectedJson);
  if (isExact(sandbox)) assertEquals(listRuleset(), theirs.run(listRuleset));
}

let exact: boolean | undefined;

function isExact(sandbox: Sandbox): boolean {
  if (exact !== undefined) return exact;
  const version = sandbox.run("nft", ["--version"]);
  exact = version.includes(`v${EXACT} `);
  console.log(
    exact
      ? `comparing what the kernel has with what nft ${EXACT} makes`
      : `comparing what nft prints: this is ${version.trim()}, not ${EXACT}`,
  );
  return exact;
}

function withoutHandles(json: string): unknown {
  return JSON.parse(json, (key, value) => key === "handle" ? undefined : value);
}

/** The sorts of things in a rule set, and their attributes that differ each time they are made. */
const LISTED = [
  { request: NFT_GETTABLE, passedOver: [3, 4] }, // NFTA_TABLE_USE, _HANDLE
  { request: NFT_GETCHAIN, passedOver: [2, 6] }, // NFTA_CHAIN_HANDLE, _USE
  { request: NFT_GETSET, passedOver: [16] }, //     NFTA_SET_HANDLE
] as const;
const RULE_IDENTITY = [3, 6]; // NFTA_RULE_HANDLE, _POSITION

/** The calling thread's rule set, as the kernel tells of it, in an order of ours. */
export function listRuleset(): string[] {
  const socket = netfilter();
  const all = new Uint8Array(4); // struct nfgenmsg: every family
  const list = (type: number, payload: Uint8Array = all) =>
    socket.dump({ type, payload, purpose: "list" });
  const sets = list(NFT_GETSET).map((answer) => NFT_SET.decode(answer));
  return [
    ...LISTED.flatMap(({ request, passedOver }) =>
      list(request).map((answer) => canonicalMessage(answer, passedOver)).sort()
    ),
    ...list(NFT_GETRULE).map((answer) => canonicalMessage(answer, RULE_IDENTITY)),
    ...sets.flatMap(({ family, table, name: set }) => {
      const payload = NFT_ELEMENTS.encode({ family, table, set });
      const elements = list(NFT_GETSETELEM, payload).flatMap((answer) =>
        unpackAttributes(answer.subarray(4)).filter(({ type }) => typeNumber(type) === 3)
          .flatMap(({ payload }) => unpackAttributes(payload))
      );
      return elements.map(({ payload }) => `${table} ${set} ${canonical(payload)}`).sort();
    }),
  ];
}

function canonicalMessage(answer: Uint8Array, passedOver: readonly number[]): string {
  const attributes = unpackAttributes(answer.subarray(4))
    .filter(({ type }) => !passedOver.includes(typeNumber(type)));
  const [family] = answer;
  return `${family} ${attributes.map(canonicalAttribute).sort().join(" ")}`;
}

/**
 * A payload as text: attributes, as deep as they go, in the order of their numbers, and else bytes.
 * Expressions are numbered: their order matters.
 */
function canonical(payload: Uint8Array): string {
  const attributes = unpackAttributes(payload);
  const length = attributes.reduce((sum, { payload }) => sum + 4 + (payload.length + 3 & ~3), 0);
  if (attributes.length === 0 || length !== (payload.length + 3 & ~3)) return hex(payload);
  const isList = attributes.length > 1 && new Set(attributes.map(({ type }) => type)).size === 1;
  const texts = attributes.map(canonicalAttribute);
  return `{${(isList ? texts : texts.sort()).join(" ")}}`;
}

function canonicalAttribute({ type, payload }: { type: number; payload: Uint8Array }): string {
  return `${typeNumber(type)}=${canonical(payload)}`;
}

/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
function typeNumber(type: number): number {
  return type & 0x3fff;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
