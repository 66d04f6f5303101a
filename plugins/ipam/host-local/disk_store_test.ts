import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { IpAddress } from "../../../lib/ip/address.ts";
import { runInCall } from "../../../lib/runtime/current_call.ts";
import { CniError } from "../../../lib/types/error.ts";
import { testStore } from "../../../tests/contract/store.ts";
import { MemoryStore } from "../../../tests/support/memory_store.ts";
import { DiskStore } from "./disk_store.ts";
import type { Owner } from "./store.ts";

const A: Owner = { containerId: "a", ifName: "eth0" };
const B: Owner = { containerId: "b", ifName: "eth0" };
const ip = IpAddress.parse;

/** A directory that ends with the test, and what is in it. */
class Directory implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "host-local-" });
  readonly network = `${this.path}/net`;
  readonly owners = `${this.path}/.owners/net`;

  open(): Promise<DiskStore> {
    return DiskStore.open(this.path, "net");
  }

  async work<T>(work: (store: DiskStore) => T): Promise<T> {
    using store = await this.open();
    return work(store);
  }

  /** As the Go plugin, or an administrator, would: without the index. */
  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.network}/${name}`, text);
  }

  names(): string[] {
    return Array.from(Deno.readDirSync(this.network), ({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

testStore("DiskStore", () => new Directory());
testStore("MemoryStore", () => {
  const store = new MemoryStore();
  return { open: () => store, [Symbol.dispose]: () => {} };
});

Deno.test("DiskStore writes the files that the Go plugin writes", async () => {
  using directory = new Directory();
  await directory.work((store) => {
    store.reserve([ip("10.0.0.2")], { containerId: "x1", ifName: "eth0" });
    store.noteLastReserved(0, ip("10.0.0.2"));
  });
  assertEquals(directory.names(), ["10.0.0.2", "last_reserved_ip.0", "lock"]);
  const bytes = Deno.readFileSync(`${directory.network}/10.0.0.2`);
  assertEquals([...bytes], [0x78, 0x31, 0x0d, 0x0a, 0x65, 0x74, 0x68, 0x30]);
  assertEquals(Deno.readTextFileSync(`${directory.network}/last_reserved_ip.0`), "10.0.0.2");
  const mode = (name: string) => Deno.statSync(`${directory.network}/${name}`).mode! & 0o777;
  assertEquals([mode("10.0.0.2"), mode("last_reserved_ip.0"), mode("lock")], [0o600, 0o600, 0o750]);
});

Deno.test("DiskStore notices what others add, remove and rewrite", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], A));
  directory.write("10.0.0.3", "b\r\neth0");
  directory.write("10.0.0.4", "  a\r\neth1 \n");
  await directory.work((store) => {
    assertEquals(store.heldBy(B).map(String), ["10.0.0.3"]);
    assertEquals(store.heldBy({ containerId: "a", ifName: "eth1" }).map(String), ["10.0.0.4"]);
  });
  Deno.removeSync(`${directory.network}/10.0.0.3`);
  await directory.work((store) => assertEquals(store.heldBy(B), []));
  directory.write("10.0.0.2", "b\r\neth0"); // Does not change the directory.
  await directory.work((store) => {
    assertEquals(store.heldBy(A), []);
    assertEquals(store.heldBy(B).map(String), ["10.0.0.2"]);
  });
});

Deno.test("DiskStore reads no other reservation while nobody else writes", async () => {
  using directory = new Directory();
  await directory.work((store) => {
    store.reserve([ip("10.0.0.2")], A);
    store.reserve([ip("10.0.0.3")], B);
  });
  // What it does not read it does not see.
  directory.write("10.0.0.3", "a\r\neth0");
  await directory.work((store) => assertEquals(store.heldBy(A).map(String), ["10.0.0.2"]));
});

Deno.test("DiskStore makes its index anew when that is missing, partial or stale", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], A));
  Deno.removeSync(directory.owners, { recursive: true });
  await directory.work((store) => assertEquals(store.heldBy(A).map(String), ["10.0.0.2"]));
  Deno.removeSync(`${directory.owners}/a:eth0`);
  Deno.symlinkSync("10.0.0.2", `${directory.owners}/gone:eth0`);
  await directory.work((store) => {
    assertEquals(store.heldBy(A).map(String), ["10.0.0.2"]);
    assertEquals(store.heldBy({ containerId: "gone", ifName: "eth0" }), []);
  });
  const owners = Array.from(Deno.readDirSync(directory.owners), ({ name }) => name);
  assertEquals(owners, ["a:eth0"]);
});

Deno.test("DiskStore replaces an owner's link in its index", async () => {
  using directory = new Directory();
  for (const [address, target] of [["10.0.0.2", "10.0.0.2"], ["10.0.0.3", "10.0.0.2,10.0.0.3"]]) {
    await directory.work((store) => store.reserve([ip(address!)], A));
    const links = Array.from(Deno.readDirSync(directory.owners), ({ name }) => name);
    assertEquals(links, ["a:eth0"]);
    assertEquals(Deno.readLinkSync(`${directory.owners}/a:eth0`), target);
  }
});

Deno.test("DiskStore survives what a killed process leaves", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], A));
  // Killed between giving the file its name and removing the temporary one.
  Deno.linkSync(`${directory.network}/10.0.0.2`, `${directory.network}/.writing`);
  await directory.work((store) => store.releaseAll(B));
  assertEquals(directory.names(), ["10.0.0.2", "lock"]);
  await directory.work((store) => store.reserve([ip("10.0.0.3")], B));
  await directory.work((store) => {
    assertEquals(store.holderOf(ip("10.0.0.2")), A);
    assertEquals(store.holderOf(ip("10.0.0.3")), B);
  });
  assertEquals(directory.names(), ["10.0.0.2", "10.0.0.3", "lock"]);
});

Deno.test("DiskStore takes for a reservation what is named like an address, and nothing else", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("::2")], A));
  for (const name of ["dead.beef", "10.0.0", "10.0.0.2~", "notes"]) {
    directory.write(name, "a\r\neth0");
  }
  await directory.work((store) => {
    assertEquals(store.addresses().map(String), ["::2"]);
    assertEquals(store.heldBy(A).map(String), ["::2"]);
    store.prune(() => false);
  });
  assertEquals(directory.names(), ["10.0.0", "10.0.0.2~", "dead.beef", "lock", "notes"]);
});

Deno.test("DiskStore works where no index can be written", async () => {
  using directory = new Directory();
  Deno.writeTextFileSync(`${directory.path}/.owners`, "");
  await directory.work((store) => store.reserve([ip("10.0.0.2"), ip("10.0.0.3")], A));
  await directory.work((store) => store.reserve([ip("10.0.0.2"), ip("10.0.0.3")], B));
  await directory.work((store) => assertEquals(store.heldBy(A).map(String), ["10.0.0.2"]));
  await directory.work((store) => store.releaseAll(A));
  assertEquals(directory.names(), ["10.0.0.3", "lock"]);
});

Deno.test("DiskStore passes over what is no file", async () => {
  using directory = new Directory();
  Deno.mkdirSync(directory.network);
  for (const name of ["10.0.0.2", "last_reserved_ip.0"]) {
    Deno.symlinkSync(name, `${directory.network}/${name}`); // to itself
  }
  Deno.mkdirSync(`${directory.network}/10.0.0.3`);
  // Who opens a FIFO waits for somebody who writes to it.
  for (const name of ["10.0.0.4", "last_reserved_ip.1", "lock"]) {
    new Deno.Command("mkfifo", { args: [`${directory.network}/${name}`] }).outputSync();
  }
  using store = await directory.open();
  for (const name of ["10.0.0.2", "10.0.0.3", "10.0.0.4"]) {
    assertEquals(store.holderOf(ip(name)), undefined);
  }
  assertEquals([store.lastReserved(0), store.lastReserved(1)], [undefined, undefined]);
  store.releaseAll(A);
});

/** Changes the index without anybody noticing. */
function unnoticed({ owners }: Directory, change: () => void): void {
  const { mtime } = Deno.statSync(owners);
  change();
  Deno.utimeSync(owners, mtime!, mtime!);
}

Deno.test("DiskStore does not trust an index that could not be brought up to date", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], B));
  const inTheWay = `${directory.owners}/.new`; // where A's link is to be made
  unnoticed(directory, () => Deno.mkdirSync(`${inTheWay}/full`, { recursive: true }));
  await directory.work((store) => store.reserve([ip("10.0.0.3")], A));
  unnoticed(directory, () => Deno.removeSync(inTheWay, { recursive: true }));
  await directory.work((store) => assertEquals(store.heldBy(A).map(String), ["10.0.0.3"]));
});

Deno.test("DiskStore reserves nothing where it cannot read what the owner has", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], B));
  unnoticed(directory, () => Deno.mkdirSync(`${directory.owners}/a:eth0`)); // in A's link's place
  const thrown = await assertRejects(() =>
    directory.work((store) => store.reserve([ip("10.0.0.3")], A))
  );
  assertEquals(CniError.from(thrown).code, 5);
  await directory.work((store) => assertEquals(store.addresses().map(String), ["10.0.0.2"]));
});

Deno.test("DiskStore notes the address given last in the same file, and in place of what is none", async () => {
  using directory = new Directory();
  const path = `${directory.network}/last_reserved_ip.0`;
  const note = (address: string) =>
    directory.work((store) => {
      store.noteLastReserved(0, ip(address));
      assertEquals(store.lastReserved(0)?.toString(), address);
      assertEquals(Deno.lstatSync(path).isFile, true);
      return Deno.statSync(path).ino;
    });
  const ino = await note("10.0.0.100");
  assertEquals([await note("10.0.0.2"), await note("10.0.0.20")], [ino, ino]);

  const other = `${directory.path}/other`;
  Deno.renameSync(path, other);
  Deno.symlinkSync(other, path);
  await note("10.0.0.3");
  assertEquals(Deno.readTextFileSync(other), "10.0.0.20");

  Deno.removeSync(path);
  new Deno.Command("mkfifo", { args: [path] }).outputSync();
  await note("10.0.0.4");
});

Deno.test("DiskStore reserves where a directory is in the place of the address given last", async () => {
  using directory = new Directory();
  await directory.work((store) => store.noteLastReserved(0, ip("10.0.0.2")));
  const path = `${directory.network}/last_reserved_ip.0`;
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  await directory.work((store) => store.noteLastReserved(0, ip("10.0.0.3")));
  assertEquals(Deno.readTextFileSync(path), "10.0.0.3");

  Deno.removeSync(path);
  Deno.mkdirSync(`${path}/kept`, { recursive: true }); // somebody's
  let warning = "";
  const call = {
    environment: {},
    directory: "/",
    writeError: (text: string) => void (warning += text),
    inherited: new Set<number>(),
  };
  await runInCall(call, () =>
    directory.work((store) => {
      store.noteLastReserved(0, ip("10.0.0.4"));
      assertEquals(store.lastReserved(0), undefined);
    }));
  assertEquals(directory.names(), ["last_reserved_ip.0", "lock"]);
  assertStringIncludes(warning, `${path} is a directory that is not empty; move it away`);
});

Deno.test("DiskStore prunes files that name nobody", async () => {
  using directory = new Directory();
  await directory.work((store) => store.reserve([ip("10.0.0.2")], A));
  directory.write("10.0.0.3", "");
  await directory.work((store) => store.prune(() => true));
  assertEquals(directory.names(), ["10.0.0.2", "lock"]);
});
