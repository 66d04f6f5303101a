/** The graph as a tree of lines. */
import type { Container, ContainerInterface, HostGraph, HostInterface } from "./model.ts";

interface Node {
  text: string;
  children: Node[];
}

/** Draws the graph; what is not as the cache says is marked by `!`. */
export function drawText(graph: HostGraph): string[] {
  const { host, containers, differences } = graph;
  const roots = host.filter(({ master, parent }) => !master && !parent).sort(byImportance);
  const drawn: Node[] = [
    { text: "host", children: roots.map((link) => hostNode(link, graph)) },
    ...containers.map((container) => ({ container, inner: withoutHost(container) }))
      .filter(({ inner }) => inner.length > 0)
      .map(({ container, inner }) => ({
        text: `${container.name} (not connected to the host)`,
        children: inner.map((one) => ({ text: describe(one), children: details(one) })),
      })),
  ];
  return [
    ...drawn.flatMap((node) => [node.text, ...lines(node.children, "")]),
    ...differences.map((difference) => `! ${difference}`),
  ];
}

/** Sorts uplinks first, bridges next, then the others; each by name. */
function byImportance(a: HostInterface, b: HostInterface): number {
  const rank = ({ isUplink, kind }: HostInterface) => isUplink ? 0 : kind === "bridge" ? 1 : 2;
  return rank(a) - rank(b) || (a.name < b.name ? -1 : 1);
}

function hostNode(link: HostInterface, graph: HostGraph): Node {
  const inner = graph.host.filter(({ master, parent }) =>
    master === link.name || parent === link.name
  );
  const attached = graph.containers.flatMap((container) =>
    container.interfaces.filter(({ host }) => host === link.name)
      .map((one) => ({ container, one }))
  );
  // A veth pair is one line: both its ends, and what is known of the container's.
  const pair = attached.find(({ one }) => link.kind === "veth" && one.kind === "veth");
  if (pair) {
    const text = `${describeHost(link)} ── ${describe(pair.one, pair.container)}`;
    return {
      text,
      children: [...details(pair.one), ...inner.map((other) => hostNode(other, graph))],
    };
  }
  return {
    text: describeHost(link),
    children: [
      ...inner.map((other) => hostNode(other, graph)),
      ...attached.map(({ container, one }) => ({
        text: describe(one, container),
        children: details(one),
      })),
    ],
  };
}

function describeHost({ name, kind, addresses, up, vlans, isUplink }: HostInterface): string {
  return [
    name,
    ...kind === "" || kind === "veth" ? [] : [kind],
    ...addresses,
    ...vlans === undefined ? [] : [`VLAN ${vlans}`],
    ...isUplink ? ["default route"] : [],
    ...up ? [] : ["down"],
  ].join("  ");
}

function describe(
  { name, kind, addresses, up }: ContainerInterface,
  container?: Container,
): string {
  return [
    container ? `${name} in ${container.name}` : name,
    ...kind === "veth" || kind === "" ? [] : [kind],
    ...addresses,
    ...up ? [] : ["down"],
  ].join("  ");
}

function details({ network, containerID, ports, differences }: ContainerInterface): Node[] {
  return [
    ...network === undefined ? [] : [`network ${network}, container ${containerID}`],
    ...ports.length === 0 ? [] : [`published: ${ports.join(", ")}`],
    ...differences.map((difference) => `! ${difference}`),
  ].map((text) => ({ text, children: [] }));
}

function withoutHost({ interfaces }: Container): ContainerInterface[] {
  return interfaces.filter(({ host }) => host === undefined);
}

function lines(nodes: readonly Node[], indent: string): string[] {
  return nodes.flatMap(({ text, children }, index) => {
    const isLast = index === nodes.length - 1;
    return [
      `${indent}${isLast ? "└─ " : "├─ "}${text}`,
      ...lines(children, indent + (isLast ? "   " : "│  ")),
    ];
  });
}
