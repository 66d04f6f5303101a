import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { parseResolvConf, readResolvConf } from "./resolv_conf.ts";

Deno.test("parseResolvConf() accumulates lists and skips what it does not know", () => {
  const text = `
# nameserver 1.1.1.1
; search x
domain old.example
domain example.org
nameserver 192.0.2.1
nameserver\t192.0.2.2 ignored
search a.example b.example
search c.example
options ndots:2
options  timeout:1 rotate
nameserver
sortlist 10.0.0.0
`;
  assertEquals(parseResolvConf(text), {
    domain: "example.org",
    nameservers: ["192.0.2.1", "192.0.2.2"],
    search: ["a.example", "b.example", "c.example"],
    options: ["ndots:2", "timeout:1", "rotate"],
  });
  assertEquals(parseResolvConf(""), {});
});

Deno.test("readResolvConf() waits for no FIFO, and says what it cannot read", () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = (name: string) => `${directory}/${name}`;
    Deno.writeTextFileSync(path("file"), "nameserver 192.0.2.1\n");
    Deno.symlinkSync("file", path("link"));
    assertEquals(readResolvConf(path("link")), { nameservers: ["192.0.2.1"] });
    assertEquals(readResolvConf("/dev/null"), {}, "none at all");
    assertEquals(new Deno.Command("mkfifo", { args: [path("fifo")] }).outputSync().code, 0);
    for (const name of ["fifo", ".", "missing"]) {
      const error = assertThrows(() => readResolvConf(path(name)), CniError, path(name));
      assertEquals(error.code, 5);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
