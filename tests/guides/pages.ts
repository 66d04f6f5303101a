/**
 * Every page, followed: the commands of its shell blocks are typed one after the other on a host of
 * the page's own, and files that it shows are written there.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { pages } from "../../scripts/check/docs.ts";
import { missing, reportSkip } from "../support/requirements.ts";
import { type Block, blocksOf, commandsOf, namedInVain, reasonOf } from "./blocks.ts";
import { follow, type Step } from "./host.ts";
import { differences } from "./printed.ts";

/** How long all of a page may take on a busy machine. Seconds. */
const PAGE_SECONDS = Deno.env.has("CNI_TEST_ALL") ? 3600 : 400;

/** Pages that begin where nothing is installed. The others come after README's installation. */
const FROM_NOTHING = ["README.md", "docs/install.md", "CONTRIBUTING.md"];

/** What README's installation does, with its network. */
const INSTALLED = [
  "cp /run/bin/bridge /tmp/cni && /tmp/cni install /opt/cni/bin",
  "ln -sf /opt/cni/bin/cnitool /opt/cni/bin/cni /usr/local/bin/",
  "mkdir -p /etc/cni/net.d && cp examples/bridge.conflist /etc/cni/net.d/",
];

/** A step, where it is from, and what its output must be. */
interface PageStep extends Step {
  place: string;
  /** The output is JSON like this, but for the values of `varies`. */
  like?: { json: unknown; varies: readonly string[] };
}

const reason = missing(["root", "ip", "npm", "script"]);
for (const page of pages()) {
  const blocks = blocksOf(page);
  const name = `${page.path} can be followed`;
  if (blocks.every(({ language, marks }) => language !== "sh" && marks.size === 0)) continue;
  if (reason) reportSkip(name, reason);
  Deno.test({
    name,
    ignore: reason !== undefined,
    async fn() {
      assertEquals(blocks.flatMap(namedInVain), []);
      const steps: PageStep[] = FROM_NOTHING.includes(page.path)
        ? []
        : INSTALLED.map((command) => ({ place: "installation", command }));
      for (const block of blocks) steps.push(...stepsOf(block));
      if (steps.every(({ place }) => place === "installation")) return;
      const bin = Deno.env.get("CNI_TEST_BIN")!;
      const ended = await follow(steps, { bin, seconds: PAGE_SECONDS });
      for (const [index, { code, output }] of ended.entries()) {
        const { place, command, like } = steps[index]!;
        if (code !== 0) {
          const why = code === 137 ? "was stopped, or took too long" : `exit status ${code}`;
          throw new Error(`${place}: ${command}\n${why}\n${output}`);
        }
        if (!like) continue;
        const found = differences(like.json, JSON.parse(output), like.varies);
        if (found.length > 0) throw new Error(`${place}: ${found.join("\n")}\n${output}`);
      }
      assertEquals(ended.length, steps.length, `${page.path} ended early`);
    },
  });
}

/** What a block has one do. Prints what of it is not done. */
function stepsOf(block: Block): PageStep[] {
  const { place, language, marks, text } = block;
  const extra = (mark: "before" | "after"): PageStep[] =>
    (marks.get(mark) ?? []).flatMap(commandsOf).map((command) => ({ place, command }));
  const own = [
    ...(marks.get("file") ?? []).map((path) => writing(block, path)),
    ...(marks.get("prints") ?? []).map((command) => ({
      place,
      command,
      like: { json: JSON.parse(text), varies: marks.get("varies")?.join(" ").split(/\s+/) ?? [] },
    })),
    ...language === "sh" ? commandsOf(text).flatMap((command) => typing(block, command)) : [],
  ];
  return own.length === 0 ? [] : [...extra("before"), ...own, ...extra("after")];
}

/** The command as it is typed, with its terminal; nothing where it is not run. */
function typing(block: Block, command: string): PageStep[] {
  const { place, marks } = block;
  const why = reasonOf(block, "not run", command) ??
    (Deno.env.has("CNI_TEST_ALL") ? undefined : reasonOf(block, "long", command));
  if (why !== undefined) {
    console.log(`${place}: not run: ${command}\n    ${why}`);
    return [];
  }
  const other = reasonOf(block, "instead", command);
  if (other !== undefined) console.log(`${place}: instead of ${command}\n    ${other}`);
  let typed = other ?? command;
  for (const pair of marks.get("with")?.join(" ").split(/\s+/) ?? []) {
    const [name = "", value = ""] = pair.split("=");
    typed = typed.replaceAll(new RegExp(`\\b${name}\\b`, "g"), value);
  }
  const keys = marks.get("typed")?.[0];
  if (keys !== undefined) {
    const inner = typed.replaceAll("'", `'\\''`);
    typed = `printf '%s\\n' '${keys}' | script --quiet --return --command '${inner}' /dev/null`;
  }
  return [{ place, command: typed, stays: reasonOf(block, "stays", command) !== undefined }];
}

/** Writes the block to a file. The library is where pages say that it can be: in the checkout. */
function writing({ place, text }: Block, path: string): PageStep {
  const content = text.replaceAll("https://example.com/cni/", "file:///home/me/cni/");
  return { place, command: `cat >${path} <<'END OF THE BLOCK'\n${content}END OF THE BLOCK` };
}
