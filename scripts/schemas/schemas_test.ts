/** The JSON Schemas, put to use by a validator that shares no code with us. */
import { Ajv2020 } from "npm:ajv@8.20.0/dist/2020.js";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT } from "../support/root.ts";

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
for (const { name } of Deno.readDirSync(`${ROOT}/schemas`)) {
  if (!name.endsWith(".json")) continue;
  ajv.addSchema(JSON.parse(Deno.readTextFileSync(`${ROOT}/schemas/${name}`)), name);
}

/** Validates a list, and returns the paths of what is wrong. */
function errorsIn(list: unknown): string[] {
  const validate = ajv.getSchema("conflist.schema.json")!;
  validate(list);
  const paths = (validate.errors ?? []).filter(({ keyword }) => keyword !== "if")
    .map(({ instancePath }) => instancePath);
  return [...new Set(paths)];
}

Deno.test("the examples are what the JSON Schema of lists wants", () => {
  const examples = Array.from(Deno.readDirSync(`${ROOT}/examples`), ({ name }) => name)
    .filter((name) => name.endsWith(".conflist"));
  assert(examples.length > 0);
  for (const name of examples) {
    const list = JSON.parse(Deno.readTextFileSync(`${ROOT}/examples/${name}`));
    assertEquals(errorsIn(list), [], name);
  }
});

Deno.test("the JSON Schemas find what is wrong in a plugin's keys, in ipam's, and in the list's", () => {
  const list = {
    name: "net",
    cniVersion: 1,
    plugins: [
      {
        type: "bridge",
        mtu: "1500",
        vlanTrunk: [{ id: 5000 }],
        ipam: { type: "host-local", ranges: [{ subnet: "10.0.0.0/24" }], routes: [{}] },
      },
      { type: "somebody-elses", mtu: "1500" },
      { type: "portmap", capabilities: { portMappings: "yes" } },
      {},
    ],
  };
  assertEquals(errorsIn(list).sort(), [
    "/cniVersion",
    "/plugins/0/ipam/ranges/0",
    "/plugins/0/ipam/routes/0",
    "/plugins/0/mtu",
    "/plugins/0/vlanTrunk/0/id",
    "/plugins/2/capabilities/portMappings",
    "/plugins/3",
  ]);
});

Deno.test("deno task schemas writes only where it is given no argument", () => {
  const run = (...args: string[]) => {
    const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", `${ROOT}/scripts/schemas.ts`, ...args],
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).outputSync();
    const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out!, error: error! };
  };
  const help = run("--help");
  assertEquals([help.code, help.error], [0, ""]);
  assertMatch(help.out, /^usage: deno task schemas$/m);
  for (const args of [["--check"], ["schemas"], ["--help", "--check"]]) {
    const { code, out, error } = run(...args);
    assertEquals([code, out], [2, ""]);
    assertEquals(error, `schemas: there is no argument ${args.at(-1)}; see --help\n`);
  }
});
