import { assertEquals } from "@std/assert";
import { parseResolvConf } from "./resolv_conf.ts";

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
