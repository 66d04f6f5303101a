/**
 * Every kind of record beside a model: what was written last is read again, whatever happened to its
 * writer, to other files and to the clock; a file that holds no record is in nobody's way.
 *
 * @module
 */
import fc from "fast-check";
import { assertEquals } from "@std/assert";
import { Cidr } from "../../../lib/ip/cidr.ts";
import { IpAddress } from "../../../lib/ip/address.ts";
import { filterNotes } from "../../../lib/firewall/filter/notes.ts";
import type { FilterEntry } from "../../../lib/firewall/filter/types.ts";
import { type MasqueradeNote, masqueradeNotes } from "../../../lib/firewall/masquerade/notes.ts";
import type { Note, NoteStore } from "../../../lib/firewall/notes/note_store.ts";
import { type PortsNote, portsNotes } from "../../../lib/firewall/ports/notes.ts";
import { attachmentHash } from "../../../lib/ip/hash_names.ts";
import { Cache } from "../../../lib/libcni/cache.ts";
import type { Link } from "../../../lib/rtnl/link.ts";
import { errnoCode } from "../../../lib/runtime/errors.ts";
import type { Rtnl } from "../../../lib/rtnl/rtnl.ts";
import { type Attachment, sameAttachment } from "../../../lib/types/attachment.ts";
import { CniError } from "../../../lib/types/error.ts";
import { LeaseStore } from "../../../plugins/ipam/dhcp/lease_store.ts";
import * as hostDevice from "../../../plugins/main/host-device/record.ts";
import * as tuning from "../../../plugins/meta/tuning/backup.ts";
import { sampleLease } from "../../support/dhcp_lease.ts";
import { type FileFault, underFault } from "../../support/faults/file_faults.ts";
import type { FaultRoom } from "../../support/faults/suite.ts";
import { command, faultName, faults, type ListRuns, runModel } from "./commands.ts";

/** Attachments, the last two of which have one file in the result cache. */
export const ATTACHMENTS: readonly Attachment[] = [
  { network: "lan", containerId: "a", ifName: "eth0" },
  { network: "lan", containerId: "a", ifName: "eth1" },
  { network: "wan", containerId: "c.2_x", ifName: "eth0" },
  { network: "n", containerId: "b-c", ifName: "eth0" },
  { network: "n-b", containerId: "c", ifName: "eth0" },
];

/** Records of one kind, whose content is a number. */
export interface Records {
  readonly directory: string;
  /** The file of an attachment, in the directory. */
  file(attachment: Attachment): string;
  write(attachment: Attachment, version: number): void;
  /** Undefined where there is none that can be read. */
  read(attachment: Attachment): number | undefined;
  remove(attachment: Attachment): void;
  /** Reads all there are, in every other way that there is. */
  readAll?(): void;
  /** GC: removes those of a network's other attachments. */
  collect?(network: string, valid: readonly Attachment[]): void;
  /** Whether GC leaves what it cannot read, whose network is unknown. */
  readonly keepsUnreadable?: boolean;
  /** Whether a second ADD's values do not replace the first one's. */
  readonly keepsFirst?: boolean;
  /** Ends the process that has them, and begins another. */
  restart?(): Promise<void>;
  end?(): void;
}

function notes<T extends Note>(
  store: () => NoteStore<T>,
  kind: string,
  encode: (attachment: Attachment, version: number) => T,
  decode: (note: T) => number | undefined,
): () => Records {
  return () => ({
    directory: "/run/cni/firewall",
    file: (attachment) => `${attachmentHash(attachment)}.${kind}.json`,
    write: (attachment, version) => store().write(encode(attachment, version)),
    read(attachment) {
      const note = store().read(attachment);
      return note && decode(note);
    },
    remove: (attachment) => store().remove(attachment),
    readAll: () => void store().list(),
    collect: (network, valid) => store().removeOthers(network, valid),
  });
}

function cache(): Records {
  const cached = () => new Cache("/var/lib/cni", () => {});
  return {
    directory: "/var/lib/cni/results",
    file: ({ network, containerId, ifName }) => `${network}-${containerId}-${ifName}`,
    write(attachment, version) {
      const rest = { config: "{}", netns: "", args: [], capabilityArgs: { version } };
      cached().write({ ...attachment, ...rest });
    },
    read: (attachment) => cached().read(attachment)?.capabilityArgs.version as number | undefined,
    remove: (attachment) => cached().remove(attachment),
    readAll() {
      for (const attachment of ATTACHMENTS) cached().readResult(attachment);
      cached().list();
    },
  };
}

function backups(): Records {
  const directory = "/run/cni/tuning";
  const sysctl = {};
  return {
    directory,
    file: ({ containerId, ifName }) => `${containerId}_${ifName}.json`,
    write: (attachment, version) =>
      tuning.writeBackup(directory, attachment, {
        ...{ link: { mtu: 100 + version }, sysctl, network: attachment.network },
      }),
    read(attachment) {
      const mtu = tuning.readBackup(directory, attachment)?.link.mtu;
      return mtu === undefined ? undefined : mtu - 100;
    },
    remove: (attachment) => tuning.removeBackup(directory, attachment),
    collect: (network, valid) => tuning.removeStaleBackups(directory, network, valid),
    keepsUnreadable: true,
    keepsFirst: true,
  };
}

function devices(): Records {
  const host = { address: { list: () => [] } } as unknown as Rtnl;
  return {
    directory: "/run/cni/host-device",
    file: ({ containerId, ifName }) => `${containerId}:${ifName}.json`,
    write(attachment, version) {
      const link = { name: "card", kind: "", address: "02:00:00:00:00:07", mtu: version };
      const flags = { up: true, promisc: false, allmulti: false };
      const holder = { ...attachment, netns: "/proc/self/ns/net" };
      hostDevice.keepRecord(holder, host, { ...link, ...flags } as Link);
    },
    read: (attachment) => hostDevice.findRecord(attachment)?.device.mtu,
    remove: (attachment) => hostDevice.dropRecord(attachment),
    readAll: () => void hostDevice.listRecords(),
  };
}

async function leases(): Promise<Records> {
  const directory = "/var/lib/cni/dhcp";
  const open = () => LeaseStore.open(directory, () => {});
  let store = await open();
  const nameOf = (attachment: Attachment) => {
    const before = namesIn(directory);
    store.save(sampleLease(attachment, 0));
    const [name] = namesIn(directory).filter((name) => !before.includes(name));
    store.remove(attachment);
    return name!;
  };
  const files = new Map(ATTACHMENTS.map((attachment) => [attachment, nameOf(attachment)]));
  return {
    directory,
    file: (attachment) => files.get(attachment)!,
    write: (attachment, version) => store.save(sampleLease(attachment, version)),
    read(attachment) {
      const lease = store.load().find((lease) => sameAttachment(lease.attachment, attachment));
      return lease?.v4?.expiresAt ?? undefined;
    },
    remove: (attachment) => store.remove(attachment),
    async restart() {
      store[Symbol.dispose]();
      store = await open();
    },
    end: () => store[Symbol.dispose](),
  };
}

/** The kinds, by name. */
export const RECORD_KINDS: Readonly<Record<string, () => Records | Promise<Records>>> = {
  "notes/filter": notes<FilterEntry>(
    filterNotes,
    "filter",
    (attachment, version) => ({
      attachment,
      backend: "nftables",
      enforcer: "nftables",
      ips: [IpAddress.parse("10.7.0.2")],
      adminChain: "CNI-ADMIN",
      zone: String(version),
      policy: "open",
      bridge: "",
    }),
    ({ zone }) => Number(zone),
  ),
  "notes/masquerade": notes<MasqueradeNote>(
    masqueradeNotes,
    "masquerade",
    (attachment, version) => ({
      attachment,
      backend: "nftables",
      ips: [Cidr.parse(`10.${version}.0.0/16`)],
    }),
    ({ ips: [net] }) => net?.ip.bytes()[1],
  ),
  "notes/ports": notes<PortsNote>(
    portsNotes,
    "ports",
    (attachment, version) => ({
      attachment,
      backend: "iptables",
      options: { snat: true, masqAll: false, markBit: 13 },
      publications: [{
        address: Cidr.parse("10.7.0.2/24"),
        conditions: [],
        mappings: [{ protocol: "tcp", hostPort: 1 + version, containerPort: 80 }],
      }],
    }),
    ({ publications: [first] }) => first?.mappings[0] && first.mappings[0].hostPort - 1,
  ),
  tuning: backups,
  "host-device": devices,
  "result-cache": cache,
  "dhcp-leases": leases,
};

/** What a file should hold: somebody's number, or nothing that can be read. */
type Content = { attachment: Attachment; version: number } | "damaged";

interface Model {
  files: Map<string, Content>;
}

interface Real {
  room: FaultRoom;
  records: Records;
  daysAhead: number;
}

type RecordCommand = fc.AsyncCommand<Model, Real>;

function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Does what a process does, which may fail or be killed. */
async function attempt(
  { room, records }: Real,
  fault: FileFault | undefined,
  work: () => void,
): Promise<"done" | "failed"> {
  const { isReached, error } = await underFault(fault, work);
  if (!isReached) {
    if (error !== undefined) throw error;
    return "done";
  }
  room.count(fault!.kind === "kill" ? "killed" : fault!.kind);
  if (fault!.kind === "kill") await records.restart?.();
  else if (error !== undefined && !isRefusal(error)) throw error;
  return fault!.kind === "kill" || error !== undefined ? "failed" : "done";
}

/** Whether an error is what a plugin gives to its caller, or says what the system refused. */
function isRefusal(error: unknown): boolean {
  return error instanceof CniError || errnoCode(error) !== undefined;
}

/** What the attachment's file must hold, as far as its owner can tell. */
function versionIn({ files }: Model, { records }: Real, attachment: Attachment) {
  const content = files.get(records.file(attachment));
  return content !== undefined && content !== "damaged" && content.attachment === attachment
    ? content.version
    : undefined;
}

/** Expects every attachment's record to be as the model has it. */
function expectAll(model: Model, real: Real): void {
  for (const [which, attachment] of ATTACHMENTS.entries()) {
    const found = real.records.read(attachment);
    assertEquals(found, versionIn(model, real, attachment), `the record of attachment ${which}`);
  }
}

/** After a fault the file holds what it did before, or what it should: the model takes that over. */
function acceptEither(model: Model, real: Real, file: string, after: Content | undefined): void {
  const before = model.files.get(file);
  const holds = (content: Content | undefined) => {
    const isThere = namesIn(real.records.directory).includes(file);
    if (content === undefined) return !isThere;
    if (content === "damaged") return isThere && ATTACHMENTS.every(readsNothing);
    return real.records.read(content.attachment) === content.version;
  };
  const readsNothing = (attachment: Attachment) =>
    real.records.file(attachment) !== file || real.records.read(attachment) === undefined;
  const now = [before, after].find(holds);
  if (now === undefined && !holds(undefined)) {
    const path = `${real.records.directory}/${file}`;
    throw new Error(`${path} holds neither what it did nor what it should`);
  }
  set(model, file, now);
}

function set({ files }: Model, file: string, content: Content | undefined): void {
  if (content === undefined) files.delete(file);
  else files.set(file, content);
}

const write = (which: number, version: number, fault?: FileFault): RecordCommand =>
  command(`write(${which}, ${version}${faultName(fault)})`, async (model, real) => {
    const { records } = real;
    const attachment = ATTACHMENTS[which]!;
    const file = records.file(attachment);
    const first = records.keepsFirst ? versionIn(model, real, attachment) : undefined;
    const after = { attachment, version: first ?? version };
    const outcome = await attempt(real, fault, () => records.write(attachment, version));
    // A first value that a fault kept from being read is lost.
    const isLost = outcome === "done" && first !== undefined &&
      records.read(attachment) === version && fault !== undefined;
    if (outcome === "done") set(model, file, isLost ? { attachment, version } : after);
    else acceptEither(model, real, file, after);
    expectAll(model, real);
  });

const remove = (which: number, fault?: FileFault): RecordCommand =>
  command(`remove(${which}${faultName(fault)})`, async (model, real) => {
    const { records } = real;
    const attachment = ATTACHMENTS[which]!;
    const file = records.file(attachment);
    const content = model.files.get(file);
    const isAnothers = content !== undefined && content !== "damaged" &&
      content.attachment !== attachment;
    const outcome = await attempt(real, fault, () => records.remove(attachment));
    // Notes that cannot be removed are warned of, and others' that cannot be read are nobody's.
    if (fault !== undefined || outcome === "failed") acceptEither(model, real, file, undefined);
    else if (!isAnothers) model.files.delete(file);
    expectAll(model, real);
  });

const collect = (network: string, valid: readonly number[], fault?: FileFault): RecordCommand =>
  command(`collect(${network}, [${valid}]${faultName(fault)})`, async (model, real) => {
    const { records } = real;
    if (!records.collect) return;
    const kept = valid.map((which) => ATTACHMENTS[which]!);
    const gone = ATTACHMENTS.filter((each) => each.network === network && !kept.includes(each))
      .map((each) => records.file(each))
      .filter((file) => !(records.keepsUnreadable && model.files.get(file) === "damaged"));
    const outcome = await attempt(real, fault, () => records.collect!(network, kept));
    for (const file of gone) {
      if (fault !== undefined || outcome === "failed") acceptEither(model, real, file, undefined);
      else model.files.delete(file);
    }
    expectAll(model, real);
    if (outcome === "done" && fault === undefined && !records.keepsUnreadable) {
      const left = namesIn(records.directory).filter((name) => name.endsWith(".tmp"));
      assertEquals(left, [], "what killed writers left");
    }
  });

/** What becomes of a file. */
const DAMAGES: Readonly<Record<string, (path: string, text: string) => void>> = {
  empty: (path) => Deno.writeTextFileSync(path, ""),
  half: (path, text) => Deno.writeTextFileSync(path, text.slice(0, text.length / 2)),
  "no object": (path) => Deno.writeTextFileSync(path, "[1]"),
  newer: (path) => Deno.writeTextFileSync(path, '{"format":99,"kind":"x"}'),
  "a link to nowhere": (path) => Deno.symlinkSync("/run/test/nowhere", path),
  "a link to itself": (path) => Deno.symlinkSync(path, path),
  "a directory": (path) => Deno.mkdirSync(path),
};

const damage = (which: number, how: string): RecordCommand =>
  command(`damage(${which}, ${how})`, (model, real) => {
    const file = real.records.file(ATTACHMENTS[which]!);
    const content = model.files.get(file);
    if (content === undefined || content === "damaged") return;
    const path = `${real.records.directory}/${file}`;
    const text = Deno.readTextFileSync(path);
    Deno.removeSync(path);
    DAMAGES[how]!(path, text);
    model.files.set(file, "damaged");
    expectAll(model, real);
  });

const restart = (): RecordCommand =>
  command("restart()", async (model, real) => {
    await real.records.restart?.();
    expectAll(model, real);
  });

/** /run is empty afterwards. */
const reboot = (): RecordCommand =>
  command("reboot()", async (model, real) => {
    const { records } = real;
    if (records.directory.startsWith("/run/")) {
      removeDirectory(records.directory);
      model.files.clear();
    }
    await records.restart?.();
    expectAll(model, real);
  });

function removeDirectory(directory: string): void {
  try {
    Deno.removeSync(directory, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const setCalendar = (days: number): RecordCommand =>
  command(`setCalendar(${days})`, (_, real) => {
    real.daysAhead = days;
  });

/** Runs lists of commands on a kind of records. */
export async function runRecords(room: FaultRoom, kind: string, runs: ListRuns): Promise<void> {
  const which = fc.nat(ATTACHMENTS.length - 1);
  const version = fc.nat(200);
  const fault = faults(8);
  const network = fc.constantFrom(...new Set(ATTACHMENTS.map(({ network }) => network)));
  const valid = fc.uniqueArray(which, { maxLength: ATTACHMENTS.length });
  const commands: fc.Arbitrary<RecordCommand>[] = [
    fc.tuple(which, version).map(([which, version]) => write(which, version)),
    fc.tuple(which, version, fault).map(([which, version, fault]) => write(which, version, fault)),
    which.map((which) => remove(which)),
    fc.tuple(which, fault).map(([which, fault]) => remove(which, fault)),
    fc.tuple(network, valid, fault).map((of) => collect(...of)),
    fc.tuple(which, fc.constantFrom(...Object.keys(DAMAGES))).map((of) => damage(...of)),
    fc.constant(null).map(restart),
    fc.constant(null).map(reboot),
    fc.integer({ min: -1000, max: 1000 }).map(setCalendar),
  ];
  const { now } = Date;
  await runModel(room, runs, commands, async (run) => {
    const records = await RECORD_KINDS[kind]!();
    const real: Real = { room, records, daysAhead: 0 };
    const model: Model = { files: new Map() };
    Date.now = () => now() + real.daysAhead * 86_400_000;
    try {
      await run({ model, real });
      for (const which of ATTACHMENTS.keys()) await remove(which).run(model, real);
      const left = namesIn(records.directory).filter((name) => name !== "lock");
      assertEquals(left, [], "after every attachment was removed");
    } finally {
      Date.now = now;
      records.end?.();
      removeDirectory(records.directory);
    }
  });
}
