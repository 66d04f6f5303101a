import { assertEquals } from "@std/assert";
import { sha512Hex, sha512WithCache } from "./sha512.ts";

Deno.test("sha512Hex() gives the digests that NIST publishes", () => {
  assertEquals(
    sha512Hex("abc"),
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  );
  assertEquals(
    sha512Hex(""),
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
  );
  assertEquals(
    sha512Hex(
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn" +
        "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    ),
    "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018" +
      "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
  );
});

Deno.test("sha512Hex() agrees with WebCrypto at every length around the blocks, and beyond", async () => {
  const lengths = [...Array.from({ length: 260 }, (_, length) => length), 100_000];
  for (const length of lengths) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 31 + length);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes)).toHex();
    assertEquals(sha512Hex(bytes), expected, `of ${length} bytes`);
  }
});

Deno.test("sha512Hex() hashes text as UTF-8", () => {
  assertEquals(sha512Hex("é漢"), sha512Hex(Uint8Array.of(0xc3, 0xa9, 0xe6, 0xbc, 0xa2)));
});

Deno.test("sha512WithCache() gives each text its own hash, however many there were before", () => {
  const hash = sha512WithCache();
  const texts = Array.from({ length: 300 }, (_, i) => `c${i % 100}`);
  for (const text of texts) assertEquals(hash(text), sha512Hex(text));
  assertEquals(hash(new TextEncoder().encode("c1")), hash("c1"));
});
