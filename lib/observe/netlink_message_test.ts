import { assertEquals } from "@std/assert";
import { IpAddress } from "../ip/address.ts";
import { BRIDGE_PORT_LINK, LINK, RTM_NEWLINK, RTM_SETLINK } from "../netlink/link.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "../netlink/message.ts";
import { NFT_ELEMENTS, NFT_GETSETELEM, NFT_NEWSETELEM } from "../netlink/nftables.ts";
import { ROUTE, RTM_GETROUTE, RTM_NEWROUTE } from "../netlink/route.ts";
import { type Observer, runObserved } from "../runtime/observer.ts";
import { type NamedMessage, readMessage } from "./netlink_message.ts";

/** Reads a request that is made while somebody observes. */
function read(type: number, payload: () => Uint8Array, flags = 0): NamedMessage {
  return runObserved(
    {} as Observer,
    () => readMessage({ type, flags, payload: payload(), purpose: "" }),
  );
}

Deno.test("a request has the names of its type, its flags and its attributes", () => {
  const link = { name: "br0", master: 0, info: { kind: "bridge", data: { vlanFiltering: 1 } } };
  assertEquals(read(RTM_NEWLINK, () => LINK.encode(link), NLM_F_CREATE | NLM_F_EXCL), {
    name: "RTM_NEWLINK",
    flags: ["NLM_F_EXCL", "NLM_F_CREATE"],
    attributes: link,
  });
  const port = { family: 7, index: 3, port: { hairpin: 1 } };
  assertEquals(read(RTM_SETLINK, () => BRIDGE_PORT_LINK.encode(port), NLM_F_APPEND), {
    name: "RTM_SETLINK",
    flags: ["NLM_F_APPEND"],
    attributes: port,
  });
});

Deno.test("addresses are text, bytes hex digits; a dump's flag is not that of a change", () => {
  const route = { family: 2, to: IpAddress.parse("10.1.0.0"), metrics: { mtu: 1400 } };
  const told = { family: 2, to: "10.1.0.0", metrics: { mtu: 1400 } };
  const encode = () => ROUTE.encode(route);
  assertEquals(read(RTM_NEWROUTE, encode).attributes, told);
  assertEquals(read(RTM_GETROUTE, encode, NLM_F_DUMP).flags, ["NLM_F_DUMP"]);
  const elements = { list: [{ key: { value: Uint8Array.of(10, 1, 0, 2) } }] };
  const element = () => NFT_ELEMENTS.encode({ table: "t", set: "s", elements });
  assertEquals(read(NFT_GETSETELEM, element).attributes, {
    table: "t",
    set: "s",
    elements: { list: [{ key: { value: "0a010002" } }] },
  });
  assertEquals(read(NFT_NEWSETELEM, element).name, "NFT_MSG_NEWSETELEM");
});

Deno.test("a type that is not known is a number; what was made unobserved has no attributes", () => {
  const payload = LINK.encode({ name: "br0" });
  assertEquals(read(999, () => payload), {
    name: "message type 999",
    flags: [],
    attributes: {},
  });
});
