/**
 * Finds where and why a text is not JSON, the same in every runtime: their own messages differ, or
 * name no position.
 */

/** What the next token may be. */
type State = "value" | "value or ]" | "key" | "key or }" | ":" | ", or ]" | ", or }" | "end";

const EXPECTED: Readonly<Record<State, string>> = {
  "value": "a value",
  "value or ]": 'a value or "]"',
  "key": "a key in quotes",
  "key or }": 'a key in quotes or "}"',
  ":": '":"',
  ", or ]": '"," or "]"',
  ", or }": '"," or "}"',
  "end": "nothing more",
};

/** Where the first error of a text is, and what it is. Lines and columns count from 1. */
export interface JsonErrorPlace {
  line: number;
  /** In characters. */
  column: number;
  /** Like `expected ":", found "2"`. */
  message: string;
}

/** Describes the first error in `text`, which is not JSON: `line 2, column 6: expected …`. */
export function locateJsonError(text: string): string {
  const { line, column, message } = findJsonError(text);
  return `line ${line}, column ${column}: ${message}`;
}

/** Finds the first error in `text`, which is not JSON. */
export function findJsonError(text: string): JsonErrorPlace {
  const token = tokenPattern();
  const open: ("{" | "[")[] = [];
  let state: State = "value";
  let offset = 0;
  for (;;) {
    token.lastIndex = offset;
    const [whole, punctuation, string] = token.exec(text) ?? [];
    if (whole === undefined) break;
    const next = step(state, punctuation, string !== undefined, open);
    if (next === undefined) break;
    offset += whole.length;
    state = next;
  }
  return describe(text, offset, EXPECTED[state]);
}

/** White space, then one token: group 1 holds punctuation, 2 a string. Other text is not JSON. */
function tokenPattern(): RegExp {
  const punctuation = String.raw`([{}[\],:])`;
  const plain = String.raw`[ !#-[\]-\uffff]*`;
  const string = String.raw`("${plain}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})${plain})*")`;
  const number = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])`;
  const word = String.raw`(?:true|false|null)(?!\w)`;
  return new RegExp(`[ \\t\\r\\n]*(?:${[punctuation, string, number, word].join("|")})`, "y");
}

/** Returns the state after one token, and updates `open`; undefined when it is not allowed here. */
function step(
  state: State,
  punctuation: string | undefined,
  isString: boolean,
  open: ("{" | "[")[],
): State | undefined {
  const wantsValue = state === "value" || state === "value or ]";
  switch (punctuation) {
    case undefined:
      if (wantsValue) return afterValue(open);
      return isString && state.startsWith("key") ? ":" : undefined;
    case "{":
    case "[":
      if (!wantsValue) return undefined;
      open.push(punctuation);
      return punctuation === "{" ? "key or }" : "value or ]";
    case ":":
      return state === ":" ? "value" : undefined;
    case ",":
      if (!state.startsWith(",")) return undefined;
      return state === ", or }" ? "key" : "value";
    default:
      if (!state.endsWith(`or ${punctuation}`)) return undefined;
      open.pop();
      return afterValue(open);
  }
}

function afterValue(open: readonly ("{" | "[")[]): State {
  return open.length === 0 ? "end" : open.at(-1) === "{" ? ", or }" : ", or ]";
}

function describe(text: string, offset: number, expected: string): JsonErrorPlace {
  const start = offset + (/^[ \t\r\n]*/.exec(text.slice(offset))?.[0].length ?? 0);
  const lines = text.slice(0, start).split("\n");
  const found = start === text.length
    ? "the end"
    : JSON.stringify(text.slice(start, start + 20).split(/[\r\n]/)[0]);
  return {
    line: lines.length,
    column: lines.at(-1)!.length + 1,
    message: `expected ${expected}, found ${found}`,
  };
}
