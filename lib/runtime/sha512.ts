/**
 * SHA-512 (FIPS 180-4), synchronous, for Deno: WebCrypto only has an asynchronous one, and importing
 * `node:crypto` costs more than hashing the few bytes that names are made of. 64-bit words are
 * pairs of 32 bits, high half first.
 */

/** Section 4.2.3: the fractions of the cube roots of the first 80 primes. */
const ROUND_CONSTANTS =
  "428a2f98d728ae227137449123ef65cdb5c0fbcfec4d3b2fe9b5dba58189dbbc3956c25bf348b538" +
  "59f111f1b605d019923f82a4af194f9bab1c5ed5da6d8118d807aa98a303024212835b0145706fbe" +
  "243185be4ee4b28c550c7dc3d5ffb4e272be5d74f27b896f80deb1fe3b1696b19bdc06a725c71235" +
  "c19bf174cf692694e49b69c19ef14ad2efbe4786384f25e30fc19dc68b8cd5b5240ca1cc77ac9c65" +
  "2de92c6f592b02754a7484aa6ea6e4835cb0a9dcbd41fbd476f988da831153b5983e5152ee66dfab" +
  "a831c66d2db43210b00327c898fb213fbf597fc7beef0ee4c6e00bf33da88fc2d5a79147930aa725" +
  "06ca6351e003826f142929670a0e6e7027b70a8546d22ffc2e1b21385c26c9264d2c6dfc5ac42aed" +
  "53380d139d95b3df650a73548baf63de766a0abb3c77b2a881c2c92e47edaee692722c851482353b" +
  "a2bfe8a14cf10364a81a664bbc423001c24b8b70d0f89791c76c51a30654be30d192e819d6ef5218" +
  "d69906245565a910f40e35855771202a106aa07032bbd1b819a4c116b8d2d0c81e376c085141ab53" +
  "2748774cdf8eeb9934b0bcb5e19b48a8391c0cb3c5c95a634ed8aa4ae3418acb5b9cca4f7763e373" +
  "682e6ff3d6b2b8a3748f82ee5defb2fc78a5636f43172f6084c87814a1f0ab728cc702081a6439ec" +
  "90befffa23631e28a4506cebde82bde9bef9a3f7b2c67915c67178f2e372532bca273eceea26619c" +
  "d186b8c721c0c207eada7dd6cde0eb1ef57d4f7fee6ed17806f067aa72176fba0a637dc5a2c898a6" +
  "113f9804bef90dae1b710b35131c471b28db77f523047d8432caab7b40c724933c9ebe0a15c9bebc" +
  "431d67c49c100d4c4cc5d4becb3e42b6597f299cfc657e2a5fcb6fab3ad6faec6c44198c4a475817";

/** Section 5.3.5: the fractions of the square roots of the first 8 primes. */
const INITIAL_HASH =
  "6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1510e527fade682d1" +
  "9b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179";

let roundConstants: Uint32Array | undefined;

/** How many hashes are kept: a call needs a handful, and a process may serve many calls. */
const MAX_KEPT = 64;

/**
 * Makes a function like {@link sha512Hex} that computes the hash of a text once. Names of chains,
 * records and comments are made of the same three or four texts, up to twenty times in a call.
 */
export function sha512WithCache(): typeof sha512Hex {
  const kept = new Map<string, string>();
  return (input) => {
    if (typeof input !== "string") return sha512Hex(input);
    const known = kept.get(input);
    if (known !== undefined) return known;
    const hash = sha512Hex(input);
    if (kept.size === MAX_KEPT) kept.clear();
    kept.set(input, hash);
    return hash;
  };
}

/** Computes the hash of bytes, or of a text in UTF-8, in 128 lower-case hex digits. */
export function sha512Hex(input: string | Uint8Array): string {
  roundConstants ??= words(ROUND_CONSTANTS);
  const hash = words(INITIAL_HASH);
  const message = pad(typeof input === "string" ? new TextEncoder().encode(input) : input);
  const schedule = new Uint32Array(160);
  for (let offset = 0; offset < message.byteLength; offset += 128) {
    expand(message, offset, schedule);
    compress(hash, schedule, roundConstants);
  }
  let digits = "";
  for (const half of hash) digits += half.toString(16).padStart(8, "0");
  return digits;
}

/** Reads words, eight hex digits for each half. */
function words(text: string): Uint32Array {
  const halves = new Uint32Array(text.length / 8);
  for (let i = 0; i < halves.length; i++) halves[i] = parseInt(text.slice(8 * i, 8 * i + 8), 16);
  return halves;
}

/**
 * Pads a message. Section 5.1.2: a 1 bit, zeros, and the length in bits fill up the last block of
 * 128 bytes.
 */
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array(Math.ceil((bytes.length + 17) / 128) * 128);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  return view;
}

/**
 * Section 6.4.2, step 1: the block and 64 words more. Rotations and carries are written out, here
 * and below: a call takes the interpreter as long as all of them.
 */
function expand(message: DataView, offset: number, w: Uint32Array): void {
  for (let i = 0; i < 32; i++) w[i] = message.getUint32(offset + 4 * i);
  for (let i = 32; i < 160; i += 2) {
    const h15 = w[i - 30]!, l15 = w[i - 29]!, h2 = w[i - 4]!, l2 = w[i - 3]!;
    // Formulas 4.12 and 4.13.
    const high0 = (h15 >>> 1 | l15 << 31) ^ (h15 >>> 8 | l15 << 24) ^ h15 >>> 7;
    const low0 = (l15 >>> 1 | h15 << 31) ^ (l15 >>> 8 | h15 << 24) ^ (l15 >>> 7 | h15 << 25);
    const high1 = (h2 >>> 19 | l2 << 13) ^ (l2 >>> 29 | h2 << 3) ^ h2 >>> 6;
    const low1 = (l2 >>> 19 | h2 << 13) ^ (h2 >>> 29 | l2 << 3) ^ (l2 >>> 6 | h2 << 26);
    const low = w[i - 31]! + w[i - 13]! + (low0 >>> 0) + (low1 >>> 0);
    w[i] = w[i - 32]! + w[i - 14]! + high0 + high1 + (low / 0x100000000 | 0);
    w[i + 1] = low;
  }
}

/** Compresses one block into the hash. Section 6.4.2, steps 2 to 4. */
function compress(hash: Uint32Array, w: Uint32Array, k: Uint32Array): void {
  // a to h of the standard, each as high and low half
  let [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl] = hash as unknown as Sixteen;
  for (let i = 0; i < 160; i += 2) {
    // Formulas 4.8 to 4.11.
    const choiceHigh = (eh & fh) ^ (~eh & gh);
    const choiceLow = (el & fl) ^ (~el & gl);
    const sum1High = (eh >>> 14 | el << 18) ^ (eh >>> 18 | el << 14) ^ (el >>> 9 | eh << 23);
    const sum1Low = (el >>> 14 | eh << 18) ^ (el >>> 18 | eh << 14) ^ (eh >>> 9 | el << 23);
    const low1 = hl + (sum1Low >>> 0) + (choiceLow >>> 0) + k[i + 1]! + w[i + 1]!;
    const high1 = hh + sum1High + choiceHigh + k[i]! + w[i]! + (low1 / 0x100000000 | 0);
    const majorityHigh = (ah & bh) ^ (ah & ch) ^ (bh & ch);
    const majorityLow = (al & bl) ^ (al & cl) ^ (bl & cl);
    const sum0High = (ah >>> 28 | al << 4) ^ (al >>> 2 | ah << 30) ^ (al >>> 7 | ah << 25);
    const sum0Low = (al >>> 28 | ah << 4) ^ (ah >>> 2 | al << 30) ^ (ah >>> 7 | al << 25);
    const low2 = (sum0Low >>> 0) + (majorityLow >>> 0);
    const high2 = sum0High + majorityHigh + (low2 / 0x100000000 | 0);
    hh = gh, hl = gl, gh = fh, gl = fl, fh = eh, fl = el;
    el = dl + (low1 >>> 0);
    eh = (dh + high1 + (el / 0x100000000 | 0)) >>> 0;
    el >>>= 0;
    dh = ch, dl = cl, ch = bh, cl = bl, bh = ah, bl = al;
    al = (low1 >>> 0) + (low2 >>> 0);
    ah = (high1 + high2 + (al / 0x100000000 | 0)) >>> 0;
    al >>>= 0;
  }
  const block = [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl];
  for (let i = 0; i < 16; i += 2) {
    const low = hash[i + 1]! + block[i + 1]!;
    hash[i] = hash[i]! + block[i]! + (low / 0x100000000 | 0);
    hash[i + 1] = low;
  }
}

// deno-fmt-ignore
type Sixteen = [
  number, number, number, number, number, number, number, number,
  number, number, number, number, number, number, number, number,
];
