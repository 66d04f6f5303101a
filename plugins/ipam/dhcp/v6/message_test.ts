import { assertEquals } from "@std/assert";
import { IpAddress } from "../../../../lib/ip/address.ts";
import { encodeAssociation, grantOf, isRefusal, refusalOf } from "./association.ts";
import { decodeMessage, encodeMessage, type Message, readAddresses } from "./message.ts";

const ip = IpAddress.parse("fd00::7");
/** An option: code and bytes. */
const option = (
  code: number,
  ...value: number[]
) => [0, code, value.length >> 8, value.length & 255, ...value];
const u32 = (value: number) => [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
const address = (preferred: number, valid: number) =>
  option(5, ...ip.bytes(), ...u32(preferred), ...u32(valid));
const decodeReply = (...options: number[][]) =>
  decodeMessage(Uint8Array.from([7, 1, 2, 3, ...options.flat()]));
const reply = (...options: number[][]) => decodeReply(...options) as Message;
const association = (...inner: number[][]) =>
  option(3, ...u32(1), ...u32(50), ...u32(80), ...inner.flat());

Deno.test("encodeMessage() writes what RFC 8415 draws", () => {
  const options = new Map([[1, Uint8Array.of(0, 4)], [3, encodeAssociation([ip])]]);
  const bytes = encodeMessage({ type: 5, transaction: 0x010203, options });
  assertEquals([...bytes], [
    ...[5, 1, 2, 3],
    ...option(1, 0, 4),
    ...option(3, ...u32(1), ...u32(0), ...u32(0), ...address(0, 0)),
  ]);
});

Deno.test("grantOf() reads addresses with their times, and leaves bad ones out", () => {
  assertEquals(grantOf(reply(association(address(60, 100), address(200, 100), address(0, 0)))), {
    addresses: [{ ip, preferred: 60, valid: 100 }],
    renewal: 50,
    rebinding: 80,
  });
  assertEquals(grantOf(reply(association([0, 5, 0, 99]))), undefined);
  assertEquals(grantOf(reply(option(3, 0, 0))), undefined);
  assertEquals(
    grantOf(reply(option(3, ...u32(9), ...u32(1), ...u32(2), ...address(60, 100)))),
    undefined,
  );
});

Deno.test("grantOf() and isRefusal() tell yes, no and neither apart", () => {
  const said = (...options: number[][]) => {
    const message = reply(...options);
    return [grantOf(message) !== undefined, isRefusal(message)];
  };
  const [yes, no, neither] = [[true, false], [false, true], [false, false]];
  const status = (code: number) => option(13, 0, code);
  assertEquals(said(association(address(60, 100))), yes);
  assertEquals(said(association(status(3))), no); // NoBinding
  assertEquals(said(association(address(0, 0))), no); // its time is over
  assertEquals(said(association(), status(4)), no); // NotOnLink
  assertEquals(said(association(status(1))), neither); // the server's own problem
  assertEquals(said(association(address(60, 100)), status(1)), neither);
  assertEquals(said(), neither);
  assertEquals(said(association([0, 5, 0, 99])), neither);
});

Deno.test("refusalOf() says why there is no address", () => {
  const text = [...new TextEncoder().encode("none left\0")];
  const refusal = (...options: number[][]) => refusalOf(reply(...options));
  assertEquals(
    refusal(association(option(13, 0, 2, ...text))),
    'the server says NoAddrsAvail: "none left"',
  );
  assertEquals(refusal(option(13, 0, 1)), "the server says UnspecFail");
  assertEquals(refusal(association(), option(13, 0, 99)), "the server says status 99");
  assertEquals(refusal(association()), "the server grants no address");
  assertEquals(refusal(option(3, 0, 0)), "its IA_NA cannot be read");
  assertEquals(refusal(), undefined);
});

Deno.test("decodeMessage() says what is cut short", () => {
  assertEquals(reply(option(1, 0, 4)).transaction, 0x010203);
  const transaction = 0x010203;
  assertEquals(decodeReply([0, 1, 0, 9, 1]), {
    transaction,
    malformed: "option 1 has 9 bytes, but only 1 is left",
  });
  assertEquals(decodeReply([0, 1, 0]), {
    transaction,
    malformed: "the message ends within an option's head",
  });
  assertEquals(decodeMessage(Uint8Array.of(7, 1)), undefined);
  assertEquals(decodeMessage(Uint8Array.of(12, 1, 2, 3)), undefined);
  assertEquals(readAddresses(Uint8Array.from([...ip.bytes(), 1])), []);
});
