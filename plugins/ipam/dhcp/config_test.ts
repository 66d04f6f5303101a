import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../../../lib/types/error.ts";
import { readOptions } from "../../../lib/types/options.ts";
import { readFlags } from "./flags.ts";
import { options, requireIpam, wishes } from "./config.ts";
import { DEFAULT_PARAMETERS } from "./v4/options.ts";

const read = (ipam: Record<string, unknown>, args = "") =>
  wishes(requireIpam(readOptions(options(), { ipam } as never, "dhcp")), args);

Deno.test("wishes() follows the configuration, and CNI_ARGS where that says so", () => {
  assertEquals(read({}), {
    ipv4: true,
    ipv6: "off",
    provide: [],
    request: [...DEFAULT_PARAMETERS],
  });
  const provide = [
    { option: "host-name", value: "a", fromArg: "NAME" },
    { option: "60", value: "x" },
    { option: "60", value: "y" },
    { option: "77", fromArg: "ABSENT" },
  ];
  assertEquals(read({ provide }, "junk;NAME=b=c;;=d").provide, [[12, "b=c"], [60, "y"]]);
  assertEquals(read({ provide }).provide, [[12, "a"], [60, "y"]]);
  assertEquals(read({ request: [{ option: "42" }] }).request, [42, ...DEFAULT_PARAMETERS]);
  const only = [{ option: "routers", skipDefault: true }, { option: "1" }];
  assertEquals(read({ request: only }).request, [3, 1]);
  assertEquals(read({ priority: 7 }).priority, 7);
});

Deno.test("readFlags() reads flags as Go's do, and says which it does not know", () => {
  const flags = { pidfile: "text", broadcast: "switch", timeout: "duration" } as const;
  assertEquals(
    readFlags(["-pidfile", "/p", "--broadcast", "-timeout=2s"], flags),
    { pidfile: "/p", broadcast: true, timeout: 2000 },
  );
  assertEquals(readFlags(["-broadcast=false"], flags), { broadcast: false });
  for (
    const [args, message] of [
      [["-x"], 'unknown argument "-x"'],
      [["word"], 'unknown argument "word"'],
      [["-pidfile"], "-pidfile needs a value"],
      [["-broadcast=no"], '-broadcast is "no", but must be true or false'],
      [["-timeout", "0"], '-timeout is "0", but must be a duration'],
    ] as const
  ) {
    assertEquals(assertThrows(() => readFlags(args, flags), CniError, message).code, 4);
  }
});
