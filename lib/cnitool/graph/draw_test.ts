import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { HostGraph } from "./model.ts";
import { drawSvg } from "./svg.ts";
import { drawText } from "./text.ts";

const GRAPH: HostGraph = {
  host: [
    {
      name: "veth1",
      kind: "veth",
      up: true,
      addresses: [],
      master: "br0",
      vlans: "5 untagged, 7-9",
      isUplink: false,
    },
    { name: "br0", kind: "bridge", up: true, addresses: ["10.1.0.1/24"], isUplink: false },
    { name: "eth0", kind: "", up: true, addresses: ["192.0.2.7/24"], isUplink: true },
    {
      name: "eth0.7",
      kind: "vlan",
      up: false,
      addresses: [],
      parent: "eth0",
      master: "br0",
      isUplink: false,
    },
  ],
  containers: [{
    name: "blue",
    path: "/run/netns/blue",
    interfaces: [{
      name: "eth0",
      kind: "veth",
      up: true,
      mac: "0a:58:0a:01:00:02",
      addresses: ["10.1.0.2/24"],
      host: "veth1",
      network: "demo",
      containerID: "c1",
      ports: ["8080/tcp"],
      differences: ["it lacks fd00::2/64"],
    }],
  }, {
    name: "<&>",
    path: "/proc/1/ns/net",
    interfaces: [
      { name: "d0", kind: "dummy", up: false, mac: "", addresses: [], ports: [], differences: [] },
    ],
  }],
  differences: ["container c2 (eth0 on network demo) is cached, but /run/netns/red is gone"],
};

Deno.test("drawText() draws a tree, and marks what is amiss", () => {
  assertEquals(drawText(GRAPH), [
    "host",
    "├─ eth0  192.0.2.7/24  default route",
    "│  └─ eth0.7  vlan  down",
    "└─ br0  bridge  10.1.0.1/24",
    "   ├─ veth1  VLAN 5 untagged, 7-9 ── eth0 in blue  10.1.0.2/24",
    "   │  ├─ network demo, container c1",
    "   │  ├─ published: 8080/tcp",
    "   │  └─ ! it lacks fd00::2/64",
    "   └─ eth0.7  vlan  down",
    "<&> (not connected to the host)",
    "└─ d0  dummy  down",
    "! container c2 (eth0 on network demo) is cached, but /run/netns/red is gone",
  ]);
});

Deno.test("drawSvg() writes labels beside the lines, not on them", () => {
  const [c1, ...others] = GRAPH.containers;
  const more = { ...c1!, name: "long", path: "/run/netns/long" };
  const svg = drawSvg({ ...GRAPH, containers: [c1!, more, ...others] });
  // A line bends, and then is straight below its label.
  const bends = Array.from(
    svg.matchAll(/<path class="edge[^"]*" d="M\S+ \S+C\S+ \S+ \S+ \S+ (\S+) (\S+)H/g),
    ([, x, y]) => ({ x: Number(x), y: Number(y) }),
  );
  const labels = Array.from(
    svg.matchAll(/<text class="label" x="(\S+)" y="(\S+)"/g),
    ([, x, y]) => ({ x: Number(x), y: Number(y) }),
  );
  assert(labels.length >= 2 && bends.length > labels.length);
  for (const label of labels) {
    assert(bends.some(({ y }) => y > label.y && y - label.y < 8), "a label is above a line");
    assert(label.x > Math.max(...bends.filter(({ y }) => y > 0).map(({ x }) => x)) - 0.1);
  }
});

Deno.test("drawSvg() draws every box and line inside its frame, as XML", () => {
  const svg = drawSvg(GRAPH);
  for (
    const text of ["br0  bridge", "&#60;&#38;&#62;", "veth1, VLAN 5 untagged, 7-9", "! it lacks"]
  ) {
    assertStringIncludes(svg, text);
  }
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  const boxes = Array.from(
    svg.matchAll(
      /<rect class="(?:link|bridge|container)" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"/g,
    ),
    (match) => match.slice(1).map(Number),
  );
  assertEquals(boxes.length, 5);
  for (const [x, y, w, h] of boxes) assert(x! + w! <= width! && y! + h! <= height!);
  boxes.forEach(([x, y, w, h], index) => {
    for (const [x2, y2, w2, h2] of boxes.slice(index + 1)) {
      assert(
        x! + w! <= x2! || x2! + w2! <= x! || y! + h! <= y2! || y2! + h2! <= y!,
        "boxes overlap",
      );
    }
  });
  assertEquals(svg.match(/class="edge amiss"/g)?.length, 1);
});
