import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { IpAddress } from "../ip/address.ts";
import { Cidr } from "../ip/cidr.ts";
import { CniError } from "../types/error.ts";
import { comment, commentOf, device, line, MAX_COMMENT, token, words } from "./rule.ts";

/** Characters that mean something to iptables-restore, to a shell or to UTF-8, and some that do not. */
const CHARACTERS = [
  ..."abz09_-+.,:/!#*%$;|&()[]{}=@~^?<>",
  ...["\0", "\t", "\n", "\v", "\r", "\x1b", " ", "\x7f", '"', "'", "\\", "`", "\x85", "\xa0"],
  ...[
    "é",
    "ß",
    "→",
    "🙂",
    "\ud83d",
    "\udc00",
    "\u2028",
    " -j ACCEPT",
    "\nCOMMIT\n",
    "-A",
    "--",
    '" ',
  ],
];

/** Numbers that look random and are the same each time (xorshift). */
function* numbers(): Generator<number> {
  for (let x = 2463534242;;) {
    x ^= x << 13, x ^= x >>> 17, x ^= x << 5;
    yield x >>> 0;
  }
}

function* texts(count: number): Generator<string> {
  const random = numbers();
  const next = (limit: number) => random.next().value! % limit;
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: next(8) }, () => CHARACTERS[next(CHARACTERS.length)]).join("");
  }
}

/** Reads a line as iptables-restore does (add_param_to_argv() in xshared.c). */
function argumentsOf(text: string): string[] {
  const found: string[] = [];
  let [word, quoted, escaped]: [string | undefined, boolean, boolean] = [undefined, false, false];
  for (const character of text) {
    if (quoted && escaped) [word, escaped] = [word + character, false];
    else if (quoted && character === "\\") escaped = true;
    else if (character === '"') [word, quoted] = [word ?? "", !quoted];
    else if (!quoted && /[ \t\n]/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  assert(!quoted, `a quote is open at the end of ${JSON.stringify(text)}`);
  return word === undefined ? found : [...found, word];
}

/** What was written; undefined where it was refused, in words that say so. */
function written(write: () => string): string | undefined {
  try {
    return write();
  } catch (error) {
    assert(error instanceof CniError && error.code === 7, String(error));
    assertMatch(error.message, /^cannot write ".*" into a rule of iptables: /s);
    return undefined;
  }
}

Deno.test("line() writes addresses, numbers and words that there may be", () => {
  const [ip, cidr] = [IpAddress.parse("fd00::1"), Cidr.parse("10.1.0.0/16")];
  const none = words`${undefined}${false}`;
  assertEquals(
    line`-A ${"CNI-X"} -s ${cidr}${none}${words` -d ${ip}`} --dport ${80} ${comment("a b")}`,
    '-A CNI-X -s 10.1.0.0/16 -d fd00::1 --dport 80 -m comment --comment "a b"',
  );
});

Deno.test("line() refuses what is more than one word, an option, or a pattern of interfaces", () => {
  const chain = (name: string) => () => line`-N ${name}`;
  for (const name of ["", "a b", "a\n-F", "-F", "!", 'a"', "a\\", "a\0", "a\t", "\ud83d"]) {
    assertEquals(written(chain(name)), undefined, JSON.stringify(name));
  }
  assertEquals(device("br+0").text, "br+0");
  const { message } = assertThrows(() => device("br+"), CniError);
  assertMatch(message, /"br\+".*takes a \+ at the end/);
});

Deno.test("comment() quotes as iptables-save does, and refuses more than 255 bytes", () => {
  assertEquals(comment("a-b_1").text, "-m comment --comment a-b_1");
  assertEquals(comment(`a "b" 'c' \\`).text, String.raw`-m comment --comment "a \"b\" \'c\' \\"`);
  comment("x".repeat(MAX_COMMENT));
  assertThrows(() => comment("é".repeat(128)), CniError, "at most 255 bytes");
});

Deno.test("whatever the text, a rule has the words it should, or is refused", () => {
  let refused = 0;
  for (const text of texts(20_000)) {
    const lines: [string | undefined, string[]][] = [
      [written(() => line`-A X -s ${text} -j Y`), ["-A", "X", "-s", text, "-j", "Y"]],
      [written(() => line`-A X -i ${device(text)}`), ["-A", "X", "-i", text]],
      [written(() => line`-A X ${token(text)}`), ["-A", "X", text]],
      [written(() => line`-A X ${comment(text)}`), ["-A", "X", "-m", "comment", "--comment", text]],
    ];
    for (const [rule, expected] of lines) {
      if (rule === undefined) refused++;
      else assertEquals([argumentsOf(rule), rule.split("\n").length], [expected, 1]);
    }
    const commented = lines[3]![0];
    if (commented) assertEquals(commentOf(line`-A X ${comment(text)}`), text);
  }
  assert(refused > 1000 && refused < 60_000, `${refused} refused`);
});
