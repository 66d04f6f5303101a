/**
 * DEL of every plugin in every state that its attachment, its namespace, its configuration and its
 * records can be in: it succeeds, and nothing of the attachment is left on the host.
 *
 * @module
 */
import type { FaultAttachment, FaultNetwork } from "../support/faults/networks.ts";
import { NETWORKS } from "../support/faults/networks.ts";
import { expectSuccess, FaultRuntime } from "../support/faults/runtime.ts";
import { differences, snapshot } from "../support/faults/snapshot.ts";
import type { FaultCase, FaultSuite } from "../support/faults/suite.ts";
import type { Sandbox } from "../support/sandbox.ts";

/** What has happened to an attachment before its DEL. */
interface State {
  readonly id: string;
  /** Whether its ADD was never called. */
  readonly isNew?: boolean;
  /** Brings it about. @param records the attachment's records in /run/cni */
  make?(sandbox: Sandbox, attachment: FaultAttachment, records: readonly string[]): void;
  /** The previous result, given ADD's. */
  prevResult?(result: Record<string, unknown>): unknown;
  /** CNI_NETNS. */
  netns?(path: string): string;
  /** The configuration, given the right one. */
  config?(config: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Whether it harms the other attachment by itself: then only what is left counts. */
  readonly isHarmful?: boolean;
  /** Whether it takes away what a device was like on the host, or the device. */
  readonly losesDevice?: boolean;
}

function forget(...paths: readonly string[]): void {
  for (const path of paths) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The records in /run/cni. */
function records(): string[] {
  return ["firewall", "tuning", "host-device"].flatMap((name) => {
    const directory = `/run/cni/${name}`;
    try {
      return Array.from(Deno.readDirSync(directory), ({ name }) => `${directory}/${name}`)
        .filter((path) => path.endsWith(".json"));
    } catch {
      return [];
    }
  });
}

function deleteNetNs(sandbox: Sandbox, { netns, containerId }: FaultAttachment): void {
  netns[Symbol.dispose]();
  sandbox.run("ip", ["netns", "del", containerId]);
}

function damage(text: string): State["make"] {
  return (_sandbox, _attachment, records) => {
    for (const path of records) Deno.writeTextFileSync(path, text);
  };
}

/** The states. */
const STATES: readonly State[] = [
  { id: "as-added" },
  { id: "never-added", isNew: true },
  { id: "never-added/no-namespace", isNew: true, netns: () => "" },
  { id: "netns-empty", make: deleteNetNs, netns: () => "", losesDevice: true },
  { id: "netns-unnamed", netns: () => "" },
  { id: "netns-gone", make: deleteNetNs, losesDevice: true },
  {
    id: "netns-left-by-name",
    make(sandbox, { netns, containerId }) {
      netns[Symbol.dispose]();
      sandbox.run("umount", [`/run/netns/${containerId}`]);
    },
    losesDevice: true,
  },
  {
    id: "netns-replaced",
    make(sandbox, attachment) {
      deleteNetNs(sandbox, attachment);
      sandbox.container(attachment.containerId)[Symbol.dispose]();
    },
    losesDevice: true,
  },
  { id: "netns-is-the-hosts", netns: () => "/proc/self/ns/net" },
  { id: "netns-is-a-file", netns: () => "/etc/hostname" },
  { id: "netns-is-a-directory", netns: () => "/run/test" },
  { id: "netns-is-another-kind", netns: () => "/proc/self/ns/mnt" },
  {
    id: "link-gone",
    make: (sandbox, { netns }) => void sandbox.try("ip", ["link", "del", "eth0"], { netns }),
    losesDevice: true,
  },
  {
    id: "link-renamed",
    make(sandbox, { netns }) {
      sandbox.try("ip", ["link", "set", "eth0", "down"], { netns });
      sandbox.try("ip", ["link", "set", "eth0", "name", "eth7"], { netns });
    },
  },
  {
    id: "link-down",
    make: (sandbox, { netns }) =>
      void sandbox.try("ip", ["link", "set", "eth0", "down"], { netns }),
  },
  {
    id: "addresses-flushed",
    make: (sandbox, { netns }) =>
      void sandbox.try("ip", ["address", "flush", "dev", "eth0"], { netns }),
  },
  {
    id: "bridge-gone",
    make: (sandbox) => void sandbox.try("ip", ["link", "del", "br0"]),
    isHarmful: true,
  },
  {
    id: "rules-flushed",
    make(sandbox) {
      sandbox.try("nft", ["flush", "ruleset"]);
    },
    isHarmful: true,
  },
  { id: "no-prevResult", prevResult: () => undefined },
  { id: "prevResult-empty", prevResult: () => ({ cniVersion: "1.1.0" }) },
  {
    id: "prevResult-wrong-types",
    prevResult: () => ({
      cniVersion: "1.1.0",
      interfaces: 5,
      ips: [{ address: "10.7.0.300/24" }, 7],
    }),
  },
  {
    id: "prevResult-of-another-sandbox",
    prevResult: (result) => ({
      ...result,
      interfaces: [{ name: "eth0", sandbox: "/run/netns/other" }],
    }),
  },
  {
    id: "options-wrong",
    config: (config) => ({
      ...config,
      mtu: "x",
      vlan: -1,
      ipMasq: "no",
      backend: "ipfw",
      sysctl: [],
      runtimeConfig: [],
      ...(config.ipam
        ? { ipam: { ...config.ipam as object, ranges: 7, routes: [{ dst: "x" }] } }
        : {}),
    }),
  },
  {
    id: "options-gone",
    config: ({ type, ipam }) => ({
      type,
      ...(ipam ? { ipam: { type: (ipam as { type: string }).type } } : {}),
    }),
  },
  {
    id: "records-gone",
    make: (_sandbox, _attachment, records) => forget(...records),
    losesDevice: true,
  },
  { id: "records-empty", make: damage(""), losesDevice: true },
  { id: "records-garbage", make: damage('{"format":1,"net'), losesDevice: true },
  { id: "records-of-a-later-version", make: damage('{"format":999}'), losesDevice: true },
  { id: "run-gone", make: () => forget("/run/cni"), isHarmful: true },
  { id: "index-gone", make: () => forget("/var/lib/cni/networks/.owners"), isHarmful: true },
  { id: "reservations-gone", make: () => forget("/var/lib/cni/networks"), isHarmful: true },
  {
    id: "all-records-gone",
    make: () => forget("/run/cni", "/var/lib/cni/networks"),
    isHarmful: true,
  },
];

/** Whether a line of `differences()` is something that DEL should have seen to. */
function counts(line: string, { isHarmful, losesDevice }: State): boolean {
  if (/^left (directory|file \S+\/lock)/.test(line)) return false;
  // The container, and its own device.
  if (/^\w+ (subject|file \/run\/netns\/subject)/.test(line)) return false;
  if (losesDevice && /\b(card|far)2\b/.test(line)) return false;
  return !isHarmful || line.startsWith("left ");
}

function delCase(network: FaultNetwork, state: State): FaultCase {
  return {
    id: `${network.id}/${state.id}`,
    needs: network.needs,
    run(room) {
      const { sandbox } = room;
      const runtime = new FaultRuntime(room, network);
      // What all attachments share is there, and another attachment, which nothing may happen to.
      expectSuccess("ADD of the living one", runtime.add(runtime.container("living")));
      const attachment = runtime.container("subject");
      const { path } = attachment.netns;
      const before = snapshot(sandbox);
      const others = records();
      if (!state.isNew) expectSuccess("ADD", runtime.add(attachment));
      state.make?.(sandbox, attachment, records().filter((record) => !others.includes(record)));
      const result = attachment.result as Record<string, unknown> | undefined;
      if (result && state.prevResult) attachment.result = state.prevResult(result);
      const how = { change: state.config, netns: state.netns?.(path) ?? path };
      expectSuccess("DEL", runtime.del(attachment, how));
      expectSuccess("DEL again", runtime.del(attachment, how));
      const found = differences(before, snapshot(sandbox)).filter((line) => counts(line, state));
      if (found.length > 0) throw new Error(`DEL left:\n  ${found.join("\n  ")}`);
    },
  };
}

export const suite: FaultSuite = {
  title: "DEL succeeds and leaves nothing, whatever state it finds",
  share: 1,
  cases: NETWORKS.flatMap((network) => STATES.map((state) => delCase(network, state))),
};
