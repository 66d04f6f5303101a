import { assertEquals } from "@std/assert";
import { bytes } from "../../tests/support/hex.ts";
import {
  attr,
  attributes,
  attrs,
  linkInfo,
  nested,
  packAttributes,
  unpackAttributes,
} from "./attributes.ts";
import { cstring, struct, u16, u32, u8 } from "./codec.ts";

Deno.test("packAttributes() pads each payload to four bytes, and unpackAttributes() takes it off", () => {
  const wire = bytes(`
    06 00 03 00  61 00 00 00 // type 3: "a", NUL, two bytes of padding
    08 00 04 00  dc 05 00 00 // type 4: 1500
    04 00 09 00              // type 9: empty
  `);
  const parts = [
    { type: 3, payload: bytes("61 00") },
    { type: 4, payload: bytes("dc 05 00 00") },
    { type: 9, payload: new Uint8Array() },
  ];
  assertEquals(packAttributes(parts), wire);
  assertEquals(unpackAttributes(wire), parts);
});

Deno.test("unpackAttributes() stops at a length that leads outside, or nowhere", () => {
  const good = "08 00 04 00  dc 05 00 00";
  for (const bad of ["ff 00 01 00", "03 00 01 00", "00 00 00 00", "08 00"]) {
    assertEquals(unpackAttributes(bytes(good + bad)).length, 1, bad);
  }
});

Deno.test("attributes() leaves out what is undefined and passes over what it does not know", () => {
  const table = attributes(() => ({ name: attr(3, cstring), mtu: attr(4, u32) }));
  assertEquals(table.encode({ mtu: 1500, name: undefined }), bytes("08 00 04 00 dc 05 00 00"));
  const received = bytes("08 00 63 00 01 02 03 04  08 00 04 00 dc 05 00 00");
  assertEquals(table.decode(received), { mtu: 1500 });
});

Deno.test("attributes() reads a payload that is shorter or longer than ours", () => {
  const table = attributes(() => ({
    mtu: attr(4, u32),
    both: attr(5, struct({ a: u16, b: u16 })),
  }));
  assertEquals(table.decode(bytes("06 00 04 00 dc 05 00 00")).mtu, 1500);
  assertEquals(table.decode(bytes("06 00 05 00 01 00 00 00")).both, { a: 1, b: 0 });
  assertEquals(table.decode(bytes("0c 00 05 00 01 00 02 00 03 00 04 00")).both, { a: 1, b: 2 });
});

Deno.test("attributes() keeps every value of an attribute that comes several times", () => {
  const table = attributes(() => ({ ids: attrs(2, u16) }));
  const wire = bytes("06 00 02 00 05 00 00 00  06 00 02 00 07 00 00 00");
  assertEquals(table.encode({ ids: [5, 7] }), wire);
  assertEquals(table.decode(wire), { ids: [5, 7] });
});

Deno.test("nested() marks the attribute when it writes, and does not mind the mark when it reads", () => {
  const table = attributes(() => ({
    port: nested(12, attributes(() => ({ hairpin: attr(4, u8) }))),
  }));
  const wire = bytes("0c 00 0c 80  05 00 04 00 01 00 00 00");
  assertEquals(table.encode({ port: { hairpin: 1 } }), wire);
  assertEquals(table.decode(wire), { port: { hairpin: 1 } });
  wire[3] = 0;
  assertEquals(table.decode(wire), { port: { hairpin: 1 } });
});

Deno.test("linkInfo() reads data by its kind, and keeps a kind whose data it does not know", () => {
  const codec = linkInfo({ vlan: attributes(() => ({ id: attr(1, u16) })) }, {});
  const wire = bytes(`
    09 00 01 00  76 6c 61 6e 00 00 00 00 // IFLA_INFO_KIND "vlan"
    0c 00 02 00                          // IFLA_INFO_DATA
      06 00 01 00  05 00 00 00           //   IFLA_VLAN_ID 5
  `);
  assertEquals(codec.encode({ kind: "vlan", data: { id: 5 } }), wire);
  const value = codec.decode(wire);
  assertEquals([value.kind, value.data], ["vlan", { id: 5 }]);
  wire[4] = 0x7a; // "zlan"
  const other = codec.decode(wire);
  assertEquals([other.kind, other.data], ["zlan", undefined]);
});
