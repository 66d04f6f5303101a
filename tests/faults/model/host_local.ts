/**
 * host-local beside a model: a map from addresses to owners, and the address of each set that was
 * given last. Its calls fail or are killed at any of their calls about files; administrators and the
 * Go plugin change the same directory; the machine starts anew, and its calendar is set.
 *
 * @module
 */
import fc from "fast-check";
import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../lib/ip/address.ts";
import { dispatch } from "../../../lib/skel/dispatch.ts";
import hostLocal from "../../../plugins/ipam/host-local/main.ts";
import { type FileFault, underFault } from "../../support/faults/file_faults.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import { outputWithInput } from "../../support/plugins.ts";
import { GO_PLUGINS } from "../../support/requirements.ts";
import { command, faultName, faults, type ListRuns, runModel } from "./commands.ts";

const DATA_DIR = "/var/lib/cni/networks";

/** An attachment; "" is the interface of an old reservation, which names the container only. */
interface Owner {
  containerId: string;
  ifName: string;
}

const OWNERS: readonly Owner[] = [
  { containerId: "c1", ifName: "eth0" },
  { containerId: "c1", ifName: "eth1" },
  { containerId: "c2", ifName: "eth0" },
  { containerId: "c-3.x_y", ifName: "net1" },
];
const OLD: Owner = { containerId: "old", ifName: "" };

/** An inclusive range as the model has it. */
interface Range {
  subnet: string;
  first: string;
  last: string;
  gateway: string;
}

/** Sets of ranges that a network's configuration has, one after the other, on one directory. */
const CONFIGURATIONS: readonly (readonly (readonly Range[])[])[] = [
  [[range("10.1.0.0/29", "10.1.0.1", "10.1.0.6", "10.1.0.1")]],
  [[range("10.1.0.0/29", "10.1.0.3", "10.1.0.5", "10.1.0.4")]],
  [
    [range("10.1.0.0/29", "10.1.0.1", "10.1.0.6", "10.1.0.1")],
    [range("fd00::/125", "fd00::1", "fd00::7", "fd00::1")],
  ],
  [[
    range("10.1.0.8/30", "10.1.0.9", "10.1.0.10", "10.1.0.9"),
    range("10.1.0.0/29", "10.1.0.2", "10.1.0.4", "10.1.0.1"),
  ]],
  // More than are tried one by one.
  [[range("10.1.1.0/25", "10.1.1.1", "10.1.1.126", "10.1.1.1")]],
];

function range(subnet: string, first: string, last: string, gateway: string): Range {
  return { subnet, first, last, gateway };
}

/** What should be there. */
interface Model {
  held: Map<string, string>;
  /** By index of the set; undefined where the file is not there, or holds no address. */
  last: (string | undefined)[];
  /** Owners whose namespace has gone since: what they hold may be given away. */
  gone: Set<string>;
}

/** What is there. */
interface Real {
  room: FaultRoom;
  directory: string;
  daysAhead: number;
}

type HostLocalCommand = fc.AsyncCommand<Model, Real>;
type By = "ours" | "go";

/** An outcome that is right. */
interface Outcome {
  held: Map<string, string>;
  last: (string | undefined)[];
  /** The addresses of the result; undefined for an error. */
  addresses?: string[];
}

function textOf({ containerId, ifName }: Owner): string {
  return ifName === "" ? containerId : `${containerId}\r\n${ifName}`;
}

/** Every address of a set in its order, gateways too. */
function addressesOf(set: readonly Range[]): { address: string; isGateway: boolean }[] {
  return set.flatMap(({ first, last, gateway }) => {
    const list = [];
    for (let at = IpAddress.parse(first); at.compare(IpAddress.parse(last)) <= 0; at = at.add(1)) {
      list.push({ address: at.toString(), isGateway: at.toString() === gateway });
    }
    return list;
  });
}

/** The address of a set that is next in turn: the first free one after the one given last. */
function nextOf(set: readonly Range[], last: string | undefined, held: Map<string, string>) {
  const all = addressesOf(set);
  const from = all.findIndex(({ address }) => address === last) + 1;
  return [...all.slice(from), ...all.slice(0, from)]
    .find(({ address, isGateway }) => !isGateway && !held.has(address))?.address;
}

/** What an ADD does to reservations. */
function addition(
  { held, last }: Pick<Model, "held" | "last">,
  owner: Owner,
  sets: readonly (readonly Range[])[],
  wish: string | undefined,
  by: By,
): Outcome {
  const text = textOf(owner);
  const outcome = { held: new Map(held), last: [...last] };
  const given: string[] = [];
  const fail = (): Outcome => {
    // The Go plugin releases whatever the owner has, when a set gave an address before.
    const released = by === "go" && given.length > 0
      ? [...outcome.held].filter(([, who]) => who === text).map(([address]) => address)
      : given;
    for (const address of released) outcome.held.delete(address);
    return outcome;
  };
  let isFulfilled = wish === undefined;
  for (const [i, set] of sets.entries()) {
    const all = addressesOf(set);
    const wanted = all.find(({ address }) => address === wish);
    let address: string | undefined;
    if (wanted) {
      isFulfilled = true;
      if (wanted.isGateway || outcome.held.has(wanted.address)) return fail();
      address = wanted.address;
    } else {
      if (all.some(({ address }) => outcome.held.get(address) === text)) return fail();
      address = nextOf(set, outcome.last[i], outcome.held);
      if (!address) return fail();
    }
    outcome.held.set(address, text);
    outcome.last[i] = address;
    given.push(address);
  }
  return isFulfilled ? { ...outcome, addresses: given } : fail();
}

/** What is right for an ADD: where a namespace is gone its addresses may have been released before. */
function rightAdditions(
  model: Model,
  owner: Owner,
  sets: readonly (readonly Range[])[],
  wish: string | undefined,
  by: By,
): Outcome[] {
  const outcomes = [addition(model, owner, sets, wish, by)];
  if (by === "go") return outcomes;
  const text = textOf(owner);
  const released = (matches: (address: string, who: string) => boolean) => ({
    ...model,
    held: new Map([...model.held].filter(([address, who]) => !matches(address, who))),
  });
  const mayBe = (who: string | undefined) => who !== undefined && model.gone.has(who);
  const own = (_: string, who: string) => who === text;
  const wished = (address: string, who: string) => address === wish && mayBe(who);
  const add = (state: Pick<Model, "held" | "last">) =>
    outcomes.push(addition(state, owner, sets, wish, by));
  if (mayBe(text)) add(released(own));
  if (wish !== undefined && mayBe(model.held.get(wish))) {
    add(released(wished));
    if (mayBe(text)) add(released((address, who) => own(address, who) || wished(address, who)));
  }
  return outcomes;
}

function configOf(sets: readonly (readonly Range[])[], room: FaultRoom) {
  const ranges = sets.map((set) =>
    set.map(({ subnet, first, last, gateway }) => ({
      ...{ subnet, rangeStart: first, rangeEnd: last, gateway },
    }))
  );
  return { name: room.network, type: "host-local", ipam: { type: "host-local", ranges } };
}

/** One call of the plugin, ours in this process. */
async function call(
  { room }: Real,
  by: By,
  env: Record<string, string>,
  config: Record<string, unknown>,
  fault?: FileFault,
) {
  const version = env.CNI_COMMAND === "GC" ? "1.1.0" : "1.0.0";
  const input = JSON.stringify({ cniVersion: version, ...config });
  const all = { CNI_PATH: GO_PLUGINS, PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env };
  room.count(`${env.CNI_COMMAND} by ${by === "go" ? "the Go plugin" : "ours"}`);
  if (by === "go") {
    const { code, stdout } = outputWithInput(`${GO_PLUGINS}/host-local`, input, all);
    return { code, json: stdout === "" ? undefined : JSON.parse(stdout), isReached: false };
  }
  const { value, isReached } = await underFault(
    fault,
    () => dispatch(hostLocal, { env: all, stdin: () => input }),
  );
  if (isReached) room.count(`${fault!.kind === "kill" ? "killed" : fault!.kind}`);
  const { exitCode: code = 137, stdout = "" } = value ?? {};
  return { code, json: stdout === "" ? undefined : JSON.parse(stdout), isReached };
}

function attachmentEnv(CNI_COMMAND: string, { containerId, ifName }: Owner, args = "") {
  return {
    CNI_COMMAND,
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: ifName || "eth0",
    CNI_NETNS: `/var/run/netns/${containerId}`,
    CNI_ARGS: args,
  };
}

/** The reservations on disk. */
function reserved({ directory }: Real): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name } of listed(directory)) {
    if (IpAddress.tryParse(name)) found.set(name, Deno.readTextFileSync(`${directory}/${name}`));
  }
  return found;
}

function listed(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function lastReserved({ directory }: Real): (string | undefined)[] {
  return [0, 1].map((i) => {
    try {
      const text = Deno.readTextFileSync(`${directory}/last_reserved_ip.${i}`);
      return IpAddress.tryParse(text.trim())?.toString();
    } catch {
      return undefined;
    }
  });
}

function entries(map: Map<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1);
}

/** Takes over what is there, which has been compared. */
function accept(model: Model, { held, last }: Pick<Model, "held" | "last">): void {
  model.held = new Map(held);
  model.last = [...last];
  const owners = new Set(held.values());
  for (const who of model.gone) if (!owners.has(who)) model.gone.delete(who);
}

function expectState(real: Real, { held, last }: Pick<Model, "held" | "last">, what: string): void {
  assertEquals(entries(reserved(real)), entries(held), `${what}: the reservations`);
  assertEquals(lastReserved(real), last, `${what}: the addresses given last`);
}

/** After a kill or an error each address may be reserved or not, of those that would have been. */
function expectBetween(model: Model, real: Real, outcomes: readonly Outcome[], what: string): void {
  const found = reserved(real);
  const states = [model, ...outcomes];
  for (const [address, who] of found) {
    const known = states.some(({ held }) => held.get(address) === who) ||
      outcomes.some(({ addresses }) => addresses?.includes(address));
    if (!known) throw new Error(`${what}: ${address} is reserved for ${JSON.stringify(who)}`);
  }
  for (const [address, who] of model.held) {
    if (found.has(address) || outcomes.some(({ held }) => held.get(address) !== who)) continue;
    throw new Error(`${what}: the reservation of ${address} is gone`);
  }
  accept(model, { held: found, last: lastReserved(real) });
}

function add(
  owner: Owner,
  which: number,
  wish: string | undefined,
  by: By,
  fault?: FileFault,
): HostLocalCommand {
  const name = `add(${owner.containerId}/${owner.ifName}, configuration ${which}` +
    `${wish ? `, asking for ${wish}` : ""}, by ${by}${faultName(fault)})`;
  return command(name, async (model, real) => {
    const sets = CONFIGURATIONS[which]!;
    const outcomes = rightAdditions(model, owner, sets, wish, by);
    const env = attachmentEnv("ADD", owner, wish === undefined ? "" : `IP=${wish}`);
    const reply = await call(real, by, env, configOf(sets, real.room), fault);
    const addresses = reply.code === 0
      ? reply.json.ips.map(({ address }: { address: string }) => address.split("/")[0])
      : undefined;
    if (reply.isReached && !addresses) {
      // An error has taken everything back. An ADD that fails without a fault, too, takes back first,
      // and says where the fault keeps it from that. A killed one may have reserved any.
      const mayKeep = outcomes.some(({ addresses }) => !addresses) &&
        /could not be taken back/.test(reply.json?.details);
      if (fault!.kind !== "kill" && !mayKeep) {
        const kept = [...model.held].filter(([, who]) => !model.gone.has(who));
        const found = reserved(real);
        for (const [address, who] of found) {
          if (model.held.get(address) === who) continue;
          throw new Error(`the ADD failed, and ${address} is reserved for ${JSON.stringify(who)}`);
        }
        for (const [address] of kept) {
          if (!found.has(address)) throw new Error(`a failed ADD released ${address}`);
        }
        return accept(model, { held: found, last: lastReserved(real) });
      }
      const all = outcomes.map((each) => ({ ...each, addresses: sets.flatMap(candidates(model)) }));
      return expectBetween(model, real, all, "an ADD that did not end");
    }
    const held = JSON.stringify(entries(reserved(real)));
    const right = outcomes.find((each) =>
      JSON.stringify(entries(each.held)) === held &&
      JSON.stringify(each.addresses) === JSON.stringify(addresses)
    ) ?? outcomes[0]!;
    assertEquals(addresses, right.addresses, JSON.stringify(reply.json));
    expectState(real, right, "ADD");
    if (right !== outcomes[0]) real.room.count("addresses of gone containers given away");
    accept(model, right);
    if (addresses) model.gone.delete(textOf(owner));
  });
}

/** The addresses that a set may give next, asked for or not. */
function candidates({ held }: Model) {
  return (set: readonly Range[]) =>
    addressesOf(set).filter(({ address, isGateway }) => !isGateway && !held.has(address))
      .map(({ address }) => address);
}

function del(owner: Owner, by: By, fault?: FileFault): HostLocalCommand {
  const name = `del(${owner.containerId}/${owner.ifName}, by ${by}${faultName(fault)})`;
  return command(name, async (model, real) => {
    const held = new Map([...model.held].filter(([, who]) => who !== textOf(owner)));
    const config = configOf(CONFIGURATIONS[0]!, real.room);
    const reply = await call(real, by, attachmentEnv("DEL", owner), config, fault);
    const outcome = { held, last: model.last };
    if (reply.isReached && reply.code !== 0) {
      return expectBetween(model, real, [outcome], "a DEL that did not end");
    }
    assertEquals(reply.code, 0, JSON.stringify(reply.json));
    expectState(real, outcome, "DEL");
    accept(model, outcome);
  });
}

function check(owner: Owner, which: number, by: By): HostLocalCommand {
  return command(
    `check(${owner.containerId}/${owner.ifName}, by ${by})`,
    async (model, real) => {
      const ips = [...model.held].filter(([, who]) => who === textOf(owner))
        .map(([address]) => ({ address: `${address}/${address.includes(":") ? 125 : 29}` }));
      const prevResult = { cniVersion: "1.0.0", ips };
      const config = { ...configOf(CONFIGURATIONS[which]!, real.room), prevResult };
      const { code, json } = await call(real, by, attachmentEnv("CHECK", owner), config);
      assertEquals(code, ips.length > 0 ? 0 : 1, JSON.stringify(json));
      expectState(real, model, "CHECK");
    },
  );
}

function gc(valid: readonly Owner[], fault?: FileFault): HostLocalCommand {
  const names = valid.map(({ containerId, ifName }) => `${containerId}/${ifName}`);
  return command(`gc([${names}]${faultName(fault)})`, async (model, real) => {
    const texts = valid.map(textOf);
    const held = new Map([...model.held].filter(([, who]) => texts.includes(who)));
    const config = {
      ...configOf(CONFIGURATIONS[0]!, real.room),
      "cni.dev/valid-attachments": valid.map(({ containerId, ifName }) => ({
        containerID: containerId,
        ifname: ifName || "eth0",
      })),
    };
    const reply = await call(real, "ours", { CNI_COMMAND: "GC" }, config, fault);
    const outcome = { held, last: model.last };
    if (reply.isReached && reply.code !== 0) {
      return expectBetween(model, real, [outcome], "a GC that did not end");
    }
    assertEquals(reply.code, 0, JSON.stringify(reply.json));
    expectState(real, outcome, "GC");
    accept(model, outcome);
  });
}

const damageLast = (set: number, text: string) =>
  command<Model, Real>(`damageLast(${set}, ${JSON.stringify(text)})`, (model, real) => {
    if (listed(real.directory).length === 0) return;
    Deno.writeTextFileSync(`${real.directory}/last_reserved_ip.${set}`, text);
    model.last[set] = IpAddress.tryParse(text.trim())?.toString();
  });

/**
 * An administrator, or an old version of the Go plugin, reserves an address: by a new file, since
 * that is how the index learns of others.
 */
const writeByHand = (address: string, owner: Owner) =>
  command<Model, Real>(`writeByHand(${address}, ${owner.containerId})`, (model, real) => {
    if (listed(real.directory).length === 0) return;
    if (model.held.has(address)) Deno.removeSync(`${real.directory}/${address}`);
    Deno.writeTextFileSync(`${real.directory}/${address}`, textOf(owner));
    model.held.set(address, textOf(owner));
    model.gone.delete(textOf(owner));
  });

const removeByHand = (address: string) =>
  command<Model, Real>(`removeByHand(${address})`, (model, real) => {
    if (model.held.delete(address)) Deno.removeSync(`${real.directory}/${address}`);
  });

/** Takes so many addresses in a row. */
const fill = (count: number) =>
  command<Model, Real>(`fill(${count})`, (model, real) => {
    if (listed(real.directory).length === 0) return;
    for (const { address, isGateway } of addressesOf(CONFIGURATIONS[4]![0]!).slice(0, count)) {
      if (isGateway || model.held.has(address)) continue;
      Deno.writeTextFileSync(`${real.directory}/${address}`, textOf(OWNERS[3]!));
      model.held.set(address, textOf(OWNERS[3]!));
    }
  });

/** Namespaces go, and others come by the same names; reservations are on a disk. */
const reboot = () =>
  command<Model, Real>("reboot()", (model, real) => {
    renewNamespaces(real.room);
    for (const who of model.held.values()) model.gone.add(who);
  });

const setCalendar = (days: number) =>
  command<Model, Real>(`setCalendar(${days})`, (_, real) => {
    real.daysAhead = days;
  });

function renewNamespaces({ sandbox }: FaultRoom): void {
  for (const containerId of new Set(OWNERS.map(({ containerId }) => containerId))) {
    sandbox.try("ip", ["netns", "del", containerId]);
    sandbox.container(containerId)[Symbol.dispose]();
  }
}

/** Runs lists of commands. @param actors who calls the plugin */
export async function runHostLocal(
  room: FaultRoom,
  actors: readonly By[],
  runs: ListRuns,
): Promise<void> {
  const owner = fc.constantFrom(...OWNERS);
  const any = fc.constantFrom(...OWNERS, OLD);
  const which = fc.nat(CONFIGURATIONS.length - 1);
  const by = fc.constantFrom(...actors);
  const few = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.6", "10.1.0.10"];
  const address = fc.constantFrom(...few, "fd00::3", "10.1.1.70");
  const wish = fc.option(fc.oneof(address, fc.constant("10.9.9.9")), { nil: undefined, freq: 2 });
  const fault = faults(20);
  const adding = fc.tuple(owner, which, wish);
  const commands: fc.Arbitrary<HostLocalCommand>[] = [
    fc.tuple(adding, by).map(([of, by]) => add(...of, by)),
    fc.tuple(adding, by).map(([of, by]) => add(...of, by)),
    fc.tuple(adding, fault).map(([of, fault]) => add(...of, "ours", fault)),
    fc.tuple(any, by).map(([owner, by]) => del(owner, by)),
    fc.tuple(any, fault).map(([owner, fault]) => del(owner, "ours", fault)),
    fc.tuple(owner, which, by).map(([owner, which, by]) => check(owner, which, by)),
    fc.tuple(fc.subarray([...OWNERS, OLD]), fault).map(([valid, fault]) => gc(valid, fault)),
    fc.tuple(fc.nat(1), fc.oneof(fc.constantFrom("", "x", "10.1.0.1 ", "10.99.0.1"), address))
      .map(([set, text]) => damageLast(set, text)),
    fc.tuple(address, fc.constantFrom(OWNERS[0]!, OLD)).map(([at, who]) => writeByHand(at, who)),
    address.map(removeByHand),
    fc.constantFrom(62, 63, 64, 90, 126).map(fill),
    fc.constant(null).map(reboot),
    fc.integer({ min: -1000, max: 1000 }).map(setCalendar),
  ];
  const { now } = Date;
  let number = 0;
  renewNamespaces(room);
  await runModel(room, runs, commands, async (run) => {
    const network = `${room.network}x${++number}`;
    const own = { ...room, network };
    const real: Real = { room: own, directory: `${DATA_DIR}/${network}`, daysAhead: 0 };
    const model: Model = { held: new Map(), last: [undefined, undefined], gone: new Set() };
    Date.now = () => now() + real.daysAhead * 86_400_000;
    try {
      await run({ model, real });
      // Whoever reads it: each owner's addresses come back.
      for (const [i, owner] of [...OWNERS, OLD].entries()) {
        await del(owner, actors[i % actors.length]!).run(model, real);
      }
      assertEquals(entries(reserved(real)), []);
    } finally {
      Date.now = now;
    }
  });
}
