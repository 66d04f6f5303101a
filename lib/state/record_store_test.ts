import { assert, assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { ABANDONED_MS, type RecordKind, RecordStore } from "./record_store.ts";

interface Color {
  name: string;
  shade: number;
}

/** A store in a directory of its own, and what it warns of. */
class Fixture implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "cni-record-store-" });
  readonly warnings: string[] = [];
  readonly store: RecordStore<Color>;

  constructor(kind: Partial<RecordKind<Color>> = {}) {
    this.store = new RecordStore<Color>({
      directory: `${this.directory}/colors`,
      suffix: ".color.json",
      what: "a color",
      format: 2,
      encode: ({ name, shade }) => ({ name, shade }),
      decode({ name, shade }, format) {
        if (typeof name !== "string") throw new Error("it has no name");
        return { name, shade: format < 2 ? 0 : shade as number };
      },
      ...kind,
    }, (text) => this.warnings.push(text));
  }

  put(file: string, text: string): void {
    Deno.mkdirSync(`${this.directory}/colors`, { recursive: true });
    Deno.writeTextFileSync(`${this.directory}/colors/${file}`, text);
  }

  files(): string[] {
    return [...Deno.readDirSync(`${this.directory}/colors`)].map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

const RED: Color = { name: "red", shade: 3 };

Deno.test("requireWritable() makes the directory, leaves nothing, and says where it cannot write", () => {
  using fixture = new Fixture();
  fixture.store.requireWritable();
  assertEquals(fixture.files(), []);
  fixture.put("status.color.json.tmp", "a killed process's");
  fixture.store.requireWritable();
  assertEquals(fixture.files(), []);
  using other = new Fixture({ directory: "/proc/version/colors" });
  const { store } = other;
  const error = assertThrows(() => store.requireWritable(), CniError, "/proc/version/colors");
  assertEquals(error.code, 5);
});

Deno.test("RecordStore gives back what it was given, with the number of the format on disk", () => {
  using fixture = new Fixture();
  const { store } = fixture;
  assertEquals(store.read("red"), undefined);
  assertEquals(store.list(), { records: [], unreadable: [] });
  store.write("red", RED);
  assertEquals(store.read("red"), RED);
  assertEquals(Deno.readTextFileSync(store.path("red")), '{"format":2,"name":"red","shade":3}');
  assertEquals(Deno.statSync(store.path("red")).mode! & 0o777, 0o600);
  store.remove("red");
  store.remove("red");
  assertEquals(store.has("red"), false);
  assertEquals(fixture.warnings, []);
});

Deno.test("RecordStore reads older formats, those without a number too", () => {
  using fixture = new Fixture();
  fixture.put("a.color.json", '{"name":"a","shade":7}');
  fixture.put("b.color.json", '{"format":1,"name":"b"}');
  assertEquals(fixture.store.list().records, [{ name: "a", shade: 0 }, { name: "b", shade: 0 }]);
  assertEquals(fixture.warnings, []);
});

Deno.test("RecordStore passes over what holds no record, names it, and says that it is there", () => {
  const contents: [text: string, why: RegExp][] = [
    ["", /end|empty/i],
    ["garbage", /garbage|character|token/i],
    ["[]", /must hold an object/],
    ['{"format":2}', /it has no name/],
    ['{"format":3,"name":"x"}', /format 3, which a newer version wrote; this one reads up to 2/],
    ['{"format":"2","name":"x"}', /is no number/],
    ['{"format":-1,"name":"x"}', /is no number/],
  ];
  for (const [text, why] of contents) {
    using fixture = new Fixture();
    fixture.store.write("red", RED);
    fixture.put("bad.color.json", text);
    fixture.put("other.json", "somebody else's");
    const path = fixture.store.path("bad");
    assertEquals(fixture.store.list(), { records: [RED], unreadable: [path] }, text);
    assertEquals(fixture.warnings.length, 1, text);
    assert(fixture.warnings[0]!.includes(path), fixture.warnings[0]);
    assert(why.test(fixture.warnings[0]!), fixture.warnings[0]);
    assertEquals(fixture.store.read("bad"), undefined);
    assert(fixture.store.has("bad"));
    fixture.store.remove("bad");
    assertEquals(fixture.store.list(), { records: [RED], unreadable: [] });
  }
});

Deno.test("RecordStore waits for no FIFO, and takes an empty directory for a damaged file", async () => {
  using fixture = new Fixture();
  fixture.store.write("red", RED);
  const { code } = await new Deno.Command("mkfifo", { args: [fixture.store.path("fifo")] })
    .output();
  assertEquals(code, 0);
  Deno.mkdirSync(fixture.store.path("directory"));
  assertEquals(fixture.store.list().unreadable.length, 2);
  for (const name of ["fifo", "directory"]) fixture.store.remove(name);
  assertEquals(fixture.files(), ["red.color.json"]);
  Deno.mkdirSync(fixture.store.path("blue"));
  fixture.store.write("blue", { name: "blue", shade: 1 });
  assertEquals(fixture.store.read("blue")?.name, "blue");
});

Deno.test("RecordStore leaves a directory that holds something, and says what to do", () => {
  using fixture = new Fixture();
  Deno.mkdirSync(`${fixture.store.path("red")}/kept`, { recursive: true });
  fixture.store.remove("red");
  assertEquals(fixture.files(), ["red.color.json"]);
  assertEquals(fixture.warnings.length, 1);
  assert(fixture.warnings[0]!.includes("not empty; move it away"), fixture.warnings[0]);
  const error = assertThrows(() => fixture.store.write("red", RED), CniError, "not empty");
  assertEquals(error.code, 5);
});

Deno.test("RecordStore.sweep() removes what a killed writer left, of its own kind only", () => {
  using fixture = new Fixture();
  fixture.store.write("red", RED);
  fixture.put("blue.color.json.tmp", "{");
  fixture.put("blue.other.json.tmp", "{");
  assertEquals(fixture.store.list(), { records: [RED], unreadable: [] });
  fixture.store.sweep(ABANDONED_MS);
  assertEquals(fixture.files().length, 3, "its writer may be at it");
  const old = new Date(Date.now() - ABANDONED_MS);
  Deno.utimeSync(`${fixture.directory}/colors/blue.color.json.tmp`, old, old);
  fixture.store.sweep(ABANDONED_MS);
  assertEquals(fixture.files(), ["blue.other.json.tmp", "red.color.json"]);
  fixture.put("blue.color.json.tmp", "{");
  fixture.store.sweep();
  assertEquals(fixture.files(), ["blue.other.json.tmp", "red.color.json"]);
});

Deno.test("RecordStore adds nothing to a form that is somebody else's", () => {
  using fixture = new Fixture({ format: undefined });
  fixture.store.write("red", RED);
  assertEquals(Deno.readTextFileSync(fixture.store.path("red")), '{"name":"red","shade":3}');
  fixture.put("b.color.json", '{"name":"b","format":"theirs"}');
  assertEquals(fixture.store.list().records.length, 2);
});

Deno.test("RecordStore says which file cannot be written, and where", () => {
  using fixture = new Fixture();
  Deno.writeTextFileSync(`${fixture.directory}/colors`, "");
  const error = assertThrows(() => fixture.store.write("red", RED), CniError);
  assertEquals(error.code, 5);
  assert(error.message.startsWith(`cannot write a color, ${fixture.store.path("red")}: `));
});
