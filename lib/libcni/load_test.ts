import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { encodeJson } from "../types/json.ts";
import { parseNetwork } from "./conf.ts";
import { loadNetwork, loadNetworkFile, loadNetworks } from "./load.ts";

type Files = Record<string, unknown>;

/** Runs a test in a directory with the given files; what is not text is written as JSON. */
function withFiles(files: Files, test: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = `${directory}/${name}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, typeof content === "string" ? content : encodeJson(content));
    }
    test(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function conflist(name: string, ...types: string[]) {
  return { cniVersion: "1.0.0", name, plugins: types.map((type) => ({ type })) };
}

function typesOf({ plugins }: { plugins: readonly { type: string }[] }): string[] {
  return plugins.map(({ type }) => type);
}

Deno.test("loadNetwork() takes the first list of that name, and single plugins only after all lists", () => {
  const files = {
    "10-a.conf": { name: "net", type: "single" },
    "20-b.conflist": conflist("other", "x"),
    "30-c.conflist": conflist("net", "first"),
    "40-d.conflist": conflist("net", "second"),
    "50-e.json": { cniVersion: "0.2.0", NAME: "alone", type: "json" },
    "60-f.txt": conflist("ignored", "x"),
  };
  withFiles(files, (directory) => {
    assertEquals(typesOf(loadNetwork(directory, "net")), ["first"]);
    const alone = loadNetwork(directory, "alone");
    assertEquals([typesOf(alone), alone.cniVersion], [["json"], "0.2.0"]);
    const error = assertThrows(() => loadNetwork(directory, "ignored"), CniError);
    assertMatch(error.message, /the networks there are other, net, alone$/);
  });
});

Deno.test("loadNetwork() finds a good network beside broken files, and warns of those", () => {
  const files = {
    "10-broken.conflist": "{",
    "15-nameless.conflist": { plugins: [{ type: "a" }] },
    "20-wrong.conflist": { name: "wrong", plugins: [] },
    "30-good.conflist": conflist("good", "a"),
    "40-broken.conf": "no JSON",
  };
  withFiles(files, (directory) => {
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message.replaceAll(directory, ""));
    assertEquals(typesOf(loadNetwork(directory, "good", { warn })), ["a"]);
    assertEquals(warnings.length, 2);
    assertMatch(
      warnings[0]!,
      /^passed over \/10-broken\.conflist: invalid JSON at line 1, column 2/,
    );
    assertMatch(warnings[1]!, /^passed over \/15-nameless\.conflist: no name/);

    const wrong = assertThrows(() => loadNetwork(directory, "wrong"), CniError);
    assertMatch(wrong.message, /20-wrong\.conflist: .*no plugins in list/);

    const missing = assertThrows(() => loadNetwork(directory, "missing"), CniError);
    assertEquals(missing.code, 7);
    assertMatch(missing.message, /no net configuration with name "missing" in .*wrong, good$/);
    assertMatch(missing.details, /10-broken.*15-nameless.*40-broken/);
  });
});

Deno.test("loadNetworks() tells of every file, lists first, and of what is wrong with one", () => {
  const files = {
    "10-single.conf": { name: "single", type: "a" },
    "20-list.conflist": conflist("list", "a", "b"),
    "30-broken.conflist": "{",
    "40-other.txt": "",
  };
  withFiles(files, (directory) => {
    const found = loadNetworks(directory).map(({ file, network, error }) => [
      file.slice(directory.length + 1),
      network?.name,
      error?.code,
    ]);
    assertEquals(found, [
      ["20-list.conflist", "list", undefined],
      ["30-broken.conflist", undefined, 6],
      ["10-single.conf", "single", undefined],
    ]);
    assertEquals(loadNetworks(`${directory}/none`), []);
  });
});

Deno.test("loadNetwork() says when there is nothing to load", () => {
  withFiles({ "a.txt": "" }, (directory) => {
    for (const where of [directory, `${directory}/missing`]) {
      const error = assertThrows(() => loadNetwork(where, "net"), CniError);
      assertMatch(error.message, /no net configurations found in/);
    }
    const error = assertThrows(() => loadNetwork(`${directory}/a.txt/b`, "net"), CniError);
    assertMatch(error.message, /no net configurations found in/);
  });
});

Deno.test("loadNetworkFile() appends the plugins from the directory named after the network", () => {
  const files = {
    "a.conflist": conflist("net", "inlined"),
    "net/20-b.conf": { type: "b" },
    "net/10-a.conf": { type: "a" },
    "net/30-c.conflist": { type: "not a .conf" },
    "bare.conflist": { name: "net", cniVersion: "1.1.0" },
    "only.conflist": { ...conflist("net", "inlined"), loadOnlyInlinedPlugins: true },
    "empty.conflist": { name: "empty" },
    "bad.conflist": conflist("bad", "inlined"),
    "bad/a.conf": { name: "no type" },
    "evil.conflist": conflist("../net", "inlined"),
  };
  withFiles(files, (directory) => {
    const load = (name: string) => loadNetworkFile(`${directory}/${name}.conflist`);
    assertEquals(typesOf(load("a")), ["inlined", "a", "b"]);
    assertEquals(typesOf(load("bare")), ["a", "b"]);
    // What the cache keeps is the whole network, wherever it is read.
    assertEquals(typesOf(parseNetwork(load("a").text)), ["inlined", "a", "b"]);
    assertEquals(typesOf(load("only")), ["inlined"]);
    const messageFor = (name: string) => assertThrows(() => load(name), CniError).message;
    assertMatch(messageFor("empty"), /empty\.conflist: no plugin configs found/);
    assertMatch(messageFor("bad"), /bad\/a\.conf: missing 'type'/);
    assertMatch(messageFor("evil"), /invalid characters found in network name/);
  });
});

Deno.test("loadNetworkFile() takes a list and a single plugin by their content, and names a file it cannot read", () => {
  const files = {
    "list.json": conflist("net", "a", "b"),
    "single.conf": { name: "one", type: "a" },
    "nameless.conf": { type: "a" },
  };
  withFiles(files, (directory) => {
    assertEquals(typesOf(loadNetworkFile(`${directory}/list.json`)), ["a", "b"]);
    assertEquals(loadNetworkFile(`${directory}/single.conf`).name, "one");
    const failure = (name: string) =>
      assertThrows(() => loadNetworkFile(`${directory}/${name}`), CniError);
    assertMatch(failure("nameless.conf").message, /nameless\.conf: missing network name/);
    assertEquals(failure("missing.conf").code, 5);
    assertMatch(failure("missing.conf").message, /missing\.conf: cannot read it: ENOENT/);
  });
});
