import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../../../lib/types/error.ts";
import { readOptions } from "../../../lib/types/options.ts";
import { readFlags } from "./flags.ts";
import { clientConfig, options, requireIpam, socketPath } from "./config.ts";
import { DEFAULT_PARAMETERS } from "./v4/options.ts";
import type { NetConf } from "../../../lib/types/config.ts";

const read = (ipam: Record<string, unknown>, args = "") =>
  clientConfig(requireIpam(readOptions(options(), { ipam } as never, "dhcp")), args);

Deno.test("clientConfig() follows the configuration, and CNI_ARGS where that says so", () => {
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
  assertEquals(read({ provide }, "NAME=").provide, [[60, "y"]]);
  assertEquals(read({ request: [{ option: "42" }] }).request, [42, ...DEFAULT_PARAMETERS]);
  const only = [{ option: "routers", skipDefault: true }, { option: "1" }];
  assertEquals(read({ request: only }).request, [3, 1]);
  assertEquals(read({ priority: 7 }).priority, 7);
});

Deno.test("clientConfig() takes a zero value for absent where Go does", () => {
  const usual = read({});
  for (const absent of [undefined, null]) {
    const options = { provide: absent, request: absent, priority: absent, ipv4: absent };
    assertEquals(read({ ...options, ipv6: absent, daemonSocketPath: absent }), usual);
  }
  assertEquals(
    read({ provide: [], request: [], priority: 0, ipv6: "", daemonSocketPath: "" }),
    usual,
  );
  const provide = [{ option: "12", value: "", fromArg: "" }, { option: "60", value: null }];
  assertEquals(read({ provide, request: [{ option: "3", skipDefault: false }] }), {
    ...usual,
    request: [3, ...DEFAULT_PARAMETERS.filter((code) => code !== 3)],
  });
  // Its default is not its zero value, so false is one.
  assertThrows(() => read({ ipv4: false }), CniError, "one of them must be on");
  // No name, and no number.
  assertThrows(() => read({ provide: [{ option: "" }] }), CniError, 'Can not parse option ""');
});

Deno.test("socketPath() reads nothing else of the configuration", () => {
  const path = (ipam: unknown) => socketPath({ ipam } as NetConf);
  assertEquals(path({ DaemonSocketPath: "/run/x.sock", provide: 7, ipv6: [] }), "/run/x.sock");
  for (const ipam of [undefined, {}, { daemonSocketPath: "" }, { daemonSocketPath: 7 }]) {
    assertEquals(path(ipam), "/run/cni/dhcp.sock");
  }
});

Deno.test("readFlags() reads flags as Go's do, and says which it does not know", () => {
  const flags = { pidfile: "text", broadcast: "switch", timeout: "duration" } as const;
  assertEquals(
    readFlags(["-pidfile", "/p", "--broadcast", "-timeout=2s"], flags),
    { pidfile: "/p", broadcast: true, timeout: 2000 },
  );
  assertEquals(readFlags(["-broadcast=false"], flags), { broadcast: false });
  assertEquals(readFlags(["-pidfile", ""], flags), {});
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
