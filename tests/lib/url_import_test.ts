/**
 * The library as somebody gets it who has nothing but its URL: no checkout, no configuration, no
 * import map.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { kernelTest } from "../support/sandbox.ts";
import { TreeServer } from "../support/tree_server.ts";

const PLUGIN = (url: string) => `
import {
  Cidr, cidr, type Cni, CniError, definePlugin, dispatch, goObject, type NetNs, type Result, withDefault,
} from "${url}mod.ts";

const plugin = definePlugin({
  name: "fixed",
  options: () => goObject({ address: withDefault(cidr(), () => Cidr.parse("10.1.2.3/24")) }),
  add({ options }): Result {
    const network: Cidr = options.address.network();
    return { ips: [{ address: String(options.address), gateway: String(network.first().add(1)) }] };
  },
  del() {},
  check() { throw CniError.internal("as I wished"); },
  status() {},
  gc() {},
});

export function uses(netns: NetNs, cni: Cni): [string, typeof cni.addNetworkList] {
  return [netns.path, cni.addNetworkList];
}

async function call(command: string, config: object) {
  const env = {
    CNI_COMMAND: command, CNI_CONTAINERID: "c", CNI_IFNAME: "eth0", CNI_NETNS: "/none", CNI_PATH: "/",
  };
  const stdin = () => JSON.stringify({ cniVersion: "1.1.0", name: "n", type: "fixed", ...config });
  const { stdout, exitCode } = await dispatch(plugin, { env, stdin });
  return [exitCode, JSON.parse(stdout)];
}

console.log(JSON.stringify([
  await call("ADD", { address: "10.9.8.7/16" }),
  await call("ADD", { address: "10.9.8.7" }),
  await call("CHECK", {}),
]));
`;

const PINNED = (url: string) => `
import { createNetNs, Rtnl, startPinnedWorker } from "${url}mod.ts";

using netns = createNetNs("blue");
using inside = Rtnl.open(netns);
inside.link.set("lo", { up: true });
const worker = await startPinnedWorker(netns, new URL("./job.ts", import.meta.url));
worker.onmessage = ({ data }) => {
  console.log(JSON.stringify({ expected: netns.ino, seen: data }));
  worker.terminate();
};
worker.postMessage("go");
`;

/** What the pinned Worker runs: a file of the user's own beside the program. */
const JOB = `
globalThis.onmessage = () => postMessage(Deno.statSync("/proc/thread-self/ns/net").ino);
`;

Deno.test("mod.ts from a URL: a plugin is defined, type-checked and called", async () => {
  using server = await TreeServer.start();
  using user = new EmptyDirectory();
  const replies = JSON.parse(user.run("plugin.ts", PLUGIN(server.url), ["--check"]));
  assertEquals(replies[0], [0, {
    cniVersion: "1.1.0",
    ips: [{ address: "10.9.8.7/16", gateway: "10.9.0.1" }],
  }]);
  assertEquals([replies[1][0], replies[1][1].code], [1, 7]);
  assertStringIncludes(replies[1][1].msg, '"address" is "10.9.8.7" (a string)');
  assertEquals([replies[2][0], replies[2][1].msg], [1, "as I wished"]);
});

Deno.test("mod.ts from a URL: a type error of the user's is one", async () => {
  using server = await TreeServer.start();
  using user = new EmptyDirectory();
  const program = PLUGIN(server.url).replace("const network: Cidr", "const network: string");
  const error = user.fails("plugin.ts", program, ["--check"]);
  assertStringIncludes(error, "Type 'Cidr' is not assignable to type 'string'");
});

for (
  const [entry, name] of Object.entries({
    plugin: "checkAttachment",
    schema: "goObject",
    netlink: "Rtnl",
    netns: "NetNs",
    runtime: "loadNetworks",
    types: "CniError",
  })
) {
  Deno.test(`${entry}.ts from a URL: it is the same as in mod.ts, and type-checked`, async () => {
    using server = await TreeServer.start();
    using user = new EmptyDirectory();
    const program = `
      import { ${name} } from "${server.url}${entry}.ts";
      import * as all from "${server.url}mod.ts";
      const same: typeof all.${name} = ${name};
      console.log(same === all.${name});
    `;
    assertEquals(user.run("same.ts", program, ["--check"]), "true\n");
  });
}

Deno.test("plugin.ts from a URL: a plugin without options loads no package", async () => {
  using server = await TreeServer.start();
  using user = new EmptyDirectory();
  const program = (options: string) => `
    import { definePlugin } from "${server.url}plugin.ts";
    import { Rtnl } from "${server.url}netlink.ts";
    import { NetNs } from "${server.url}netns.ts";
    import { CniError, type Result } from "${server.url}types.ts";
    ${options}
    console.log(typeof definePlugin, typeof Rtnl, typeof NetNs, typeof CniError);
  `;
  const noPackages = ["--no-npm"];
  assertEquals(
    user.run("bare.ts", program(""), noPackages),
    "function function function function\n",
  );
  const schema = `import "${server.url}schema.ts";`;
  assertStringIncludes(user.fails("options.ts", program(schema), noPackages), "zod");
});

Deno.test("cnitool.ts runs from a URL", async () => {
  using server = await TreeServer.start();
  using user = new EmptyDirectory();
  assertStringIncludes(user.deno([`${server.url}cnitool.ts`, "--help"]), "usage: cnitool COMMAND");
});

kernelTest("mod.ts from a URL: a Worker is pinned into a namespace", async () => {
  using server = await TreeServer.start();
  using user = new EmptyDirectory();
  user.write("job.ts", JOB);
  const { expected, seen } = JSON.parse(user.run("pinned.ts", PINNED(server.url)));
  assertEquals(seen, expected);
});

/** Where a user works: an empty directory, and a Deno that has loaded nothing but npm packages. */
class EmptyDirectory implements Disposable {
  readonly #path = Deno.makeTempDirSync({ prefix: "cni-url-" });
  readonly #cache = Deno.makeTempDirSync({ prefix: "cni-deno-dir-" });

  constructor() {
    // Nothing of this project is cached there; packages from npm, which are the same for all, are.
    const { npmCache } = JSON.parse(output(["info", "--json"], {}));
    Deno.mkdirSync(npmCache, { recursive: true });
    Deno.symlinkSync(npmCache, `${this.#cache}/npm`);
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.#path}/${name}`, text);
  }

  /** Runs a program; returns what it printed. */
  run(name: string, text: string, options: readonly string[] = []): string {
    this.write(name, text);
    return this.deno([...options, name]);
  }

  /** Runs a program that fails; returns what it said. */
  fails(name: string, text: string, options: readonly string[]): string {
    try {
      this.run(name, text, options);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("it should have failed");
  }

  deno(args: readonly string[]): string {
    return output(["run", "-qA", ...args], { DENO_DIR: this.#cache }, this.#path);
  }

  [Symbol.dispose](): void {
    for (const path of [this.#path, this.#cache]) Deno.removeSync(path, { recursive: true });
  }
}

function output(args: string[], env: Record<string, string>, cwd?: string): string {
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { ...env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code === 0) return text(stdout);
  throw new Error(`deno ${args.join(" ")}: exit status ${code}\n${text(stderr)}${text(stdout)}`);
}
