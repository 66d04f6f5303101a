import { assertEquals } from "@std/assert";
import { IpAddress } from "../ip/address.ts";
import { RTM_SETLINK } from "../netlink/link.ts";
import { BRIDGE_PORT_LINK, LINK, RTM_NEWLINK } from "../netlink/link.ts";
import { BRIDGE_VLANS } from "../netlink/bridge_vlan.ts";
import { NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "../netlink/message.ts";
import { NFT_ELEMENTS, NFT_GETSETELEM } from "../netlink/nftables.ts";
import { ROUTE, RTM_GETROUTE, RTM_NEWROUTE } from "../netlink/route.ts";
import { readMessage } from "./netlink_message.ts";

Deno.test("a request is read by name, without what its header has none of", () => {
  const payload = LINK.encode({
    name: "br0",
    master: 0,
    info: { kind: "bridge", data: { vlanFiltering: 1 } },
  });
  const flags = NLM_F_CREATE | NLM_F_EXCL;
  assertEquals(readMessage({ type: RTM_NEWLINK, flags, payload, purpose: "" }), {
    name: "RTM_NEWLINK",
    flags: ["NLM_F_EXCL", "NLM_F_CREATE"],
    attributes: { name: "br0", master: 0, info: { kind: "bridge", data: { vlanFiltering: 1 } } },
  });
});

Deno.test("a message inside a request has a header of its own", () => {
  const info = { kind: "veth", data: { peer: { name: "veth1", mtu: 0 } } };
  const payload = LINK.encode({ name: "eth0", info });
  assertEquals(readMessage({ type: RTM_NEWLINK, payload, purpose: "" }).attributes, {
    name: "eth0",
    info,
  });
});

Deno.test("a request's addresses are text; a dump's flag is not that of a change", () => {
  const payload = ROUTE.encode({
    family: 2,
    to: IpAddress.parse("10.1.0.0"),
    toPrefix: 16,
    metrics: { mtu: 1400 },
  });
  const told = { family: 2, to: "10.1.0.0", toPrefix: 16, metrics: { mtu: 1400 } };
  assertEquals(readMessage({ type: RTM_NEWROUTE, payload, purpose: "" }).attributes, told);
  const dump = { type: RTM_GETROUTE, flags: NLM_F_DUMP, payload, purpose: "" };
  assertEquals(readMessage(dump).flags, ["NLM_F_DUMP"]);
});

Deno.test("a bridge port's requests have attributes of their own", () => {
  const port = BRIDGE_PORT_LINK.encode({ family: 7, index: 3, port: { hairpin: 1 } });
  assertEquals(readMessage({ type: RTM_SETLINK, payload: port, purpose: "" }), {
    name: "RTM_SETLINK",
    flags: [],
    attributes: { family: 7, index: 3, port: { hairpin: 1 } },
  });
  const spec = { vlans: [{ flags: 2, id: 100 }] };
  const vlans = BRIDGE_VLANS.encode({ family: 7, index: 3, spec });
  assertEquals(readMessage({ type: RTM_SETLINK, payload: vlans, purpose: "" }).attributes, {
    family: 7,
    index: 3,
    spec,
  });
});

Deno.test("bytes are hex digits; a type that no table has is a number", () => {
  const elements = { list: [{ key: { value: Uint8Array.of(10, 1, 0, 2) } }] };
  const payload = NFT_ELEMENTS.encode({ family: 1, table: "t", set: "s", elements });
  assertEquals(readMessage({ type: NFT_GETSETELEM, payload, purpose: "" }), {
    name: "NFT_MSG_GETSETELEM",
    flags: [],
    attributes: {
      family: 1,
      table: "t",
      set: "s",
      elements: { list: [{ key: { value: "0a010002" } }] },
    },
  });
  assertEquals(readMessage({ type: 999, payload, purpose: "" }), {
    name: "message type 999",
    flags: [],
    attributes: {},
  });
});
