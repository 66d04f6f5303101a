/**
 * SHA-512 (FIPS 180-4), synchronous, for Deno: WebCrypto only has an asynchronous one, and importing
 * `node:crypto` costs more than hashing the few bytes that names are made of. 64-bit words are
 * pairs of 32 bits, high half first.
 */

/** Section 4.2.3: the fractions of the cube roots of the first 80 primes. */
const ROUND_CONSTANTS = `
  428a2f98d728ae22 7137449123ef65cd b5c0fbcfec4d3b2f e9b5dba58189dbbc 3956c25bf348b538
  59f111f1b605d019 923f82a4af194f9b ab1c5ed5da6d8118 d807aa98a3030242 12835b0145706fbe
  243185be4ee4b28c 550c7dc3d5ffb4e2 72be5d74f27b896f 80deb1fe3b1696b1 9bdc06a725c71235
  c19bf174cf692694 e49b69c19ef14ad2 efbe4786384f25e3 0fc19dc68b8cd5b5 240ca1cc77ac9c65
  2de92c6f592b0275 4a7484aa6ea6e483 5cb0a9dcbd41fbd4 76f988da831153b5 983e5152ee66dfab
  a831c66d2db43210 b00327c898fb213f bf597fc7beef0ee4 c6e00bf33da88fc2 d5a79147930aa725
  06ca6351e003826f 142929670a0e6e70 27b70a8546d22ffc 2e1b21385c26c926 4d2c6dfc5ac42aed
  53380d139d95b3df 650a73548baf63de 766a0abb3c77b2a8 81c2c92e47edaee6 92722c851482353b
  a2bfe8a14cf10364 a81a664bbc423001 c24b8b70d0f89791 c76c51a30654be30 d192e819d6ef5218
  d69906245565a910 f40e35855771202a 106aa07032bbd1b8 19a4c116b8d2d0c8 1e376c085141ab53
  2748774cdf8eeb99 34b0bcb5e19b48a8 391c0cb3c5c95a63 4ed8aa4ae3418acb 5b9cca4f7763e373
  682e6ff3d6b2b8a3 748f82ee5defb2fc 78a5636f43172f60 84c87814a1f0ab72 8cc702081a6439ec
  90befffa23631e28 a4506cebde82bde9 bef9a3f7b2c67915 c67178f2e372532b ca273eceea26619c
  d186b8c721c0c207 eada7dd6cde0eb1e f57d4f7fee6ed178 06f067aa72176fba 0a637dc5a2c898a6
  113f9804bef90dae 1b710b35131c471b 28db77f523047d84 32caab7b40c72493 3c9ebe0a15c9bebc
  431d67c49c100d4c 4cc5d4becb3e42b6 597f299cfc657e2a 5fcb6fab3ad6faec 6c44198c4a475817`;

/** Section 5.3.5: the fractions of the square roots of the first 8 primes. */
const INITIAL_HASH = `
  6a09e667f3bcc908 bb67ae8584caa73b 3c6ef372fe94f82b a54ff53a5f1d36f1
  510e527fade682d1 9b05688c2b3e6c1f 1f83d9abfb41bd6b 5be0cd19137e2179`;

let roundConstants: Uint32Array | undefined;

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
  return Array.from(hash, (half) => half.toString(16).padStart(8, "0")).join("");
}

function words(text: string): Uint32Array {
  return Uint32Array.from(text.match(/[0-9a-f]{8}/g)!, (half) => parseInt(half, 16));
}

/** Section 5.1.2: a 1 bit, zeros, and the length in bits fill up the last block of 128 bytes. */
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array(Math.ceil((bytes.length + 17) / 128) * 128);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  return view;
}

/** Section 6.4.2, step 1: the block and 64 words more. */
function expand(message: DataView, offset: number, w: Uint32Array): void {
  for (let i = 0; i < 32; i++) w[i] = message.getUint32(offset + 4 * i);
  for (let i = 32; i < 160; i += 2) {
    const [h15, l15, h2, l2] = [w[i - 30]!, w[i - 29]!, w[i - 4]!, w[i - 3]!];
    const high0 = rotate(h15, l15, 1) ^ rotate(h15, l15, 8) ^ (h15 >>> 7);
    const low0 = rotate(l15, h15, 1) ^ rotate(l15, h15, 8) ^ rotate(l15, h15, 7);
    const high1 = rotate(h2, l2, 19) ^ rotate(l2, h2, 61 - 32) ^ (h2 >>> 6);
    const low1 = rotate(l2, h2, 19) ^ rotate(h2, l2, 61 - 32) ^ rotate(l2, h2, 6);
    const low = w[i - 31]! + w[i - 13]! + (low0 >>> 0) + (low1 >>> 0);
    w[i] = w[i - 32]! + w[i - 14]! + high0 + high1 + carry(low);
    w[i + 1] = low;
  }
}

/** Section 6.4.2, steps 2 to 4: one block into the hash. */
function compress(hash: Uint32Array, w: Uint32Array, k: Uint32Array): void {
  // a to h of the standard, each as high and low half
  let [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl] = hash as unknown as Sixteen;
  for (let i = 0; i < 160; i += 2) {
    const choiceHigh = (eh & fh) ^ (~eh & gh);
    const choiceLow = (el & fl) ^ (~el & gl);
    const low1 = hl + (sum1(el, eh) >>> 0) + (choiceLow >>> 0) + k[i + 1]! + w[i + 1]!;
    const high1 = hh + sum1(eh, el) + choiceHigh + k[i]! + w[i]! + carry(low1);
    const majorityHigh = (ah & bh) ^ (ah & ch) ^ (bh & ch);
    const majorityLow = (al & bl) ^ (al & cl) ^ (bl & cl);
    const low2 = (sum0(al, ah) >>> 0) + (majorityLow >>> 0);
    const high2 = sum0(ah, al) + majorityHigh + carry(low2);
    [hh, hl, gh, gl, fh, fl] = [gh, gl, fh, fl, eh, el];
    el = dl + (low1 >>> 0);
    eh = (dh + high1 + carry(el)) >>> 0;
    el >>>= 0;
    [dh, dl, ch, cl, bh, bl] = [ch, cl, bh, bl, ah, al];
    al = (low1 >>> 0) + (low2 >>> 0);
    ah = (high1 + high2 + carry(al)) >>> 0;
    al >>>= 0;
  }
  const block = [ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl];
  for (let i = 0; i < 16; i += 2) {
    const low = hash[i + 1]! + block[i + 1]!;
    hash[i] = hash[i]! + block[i]! + carry(low);
    hash[i + 1] = low;
  }
}

// deno-fmt-ignore
type Sixteen = [
  number, number, number, number, number, number, number, number,
  number, number, number, number, number, number, number, number,
];

/**
 * Returns the first half of `first`:`second` rotated right by less than 32; by 32 more with the
 * halves swapped.
 */
function rotate(first: number, second: number, bits: number): number {
  return (first >>> bits) | (second << (32 - bits));
}

/** Formula 4.10, the half that `first` is. */
function sum0(first: number, second: number): number {
  return rotate(first, second, 28) ^ rotate(second, first, 34 - 32) ^
    rotate(second, first, 39 - 32);
}

/** Formula 4.11, the half that `first` is. */
function sum1(first: number, second: number): number {
  return rotate(first, second, 14) ^ rotate(first, second, 18) ^ rotate(second, first, 41 - 32);
}

/** Returns the carry of a sum of unsigned low halves, to add to the high ones. */
function carry(sum: number): number {
  return Math.floor(sum / 2 ** 32);
}
