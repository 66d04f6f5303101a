/** cnitool as a user runs it, with the cache in its default place. */
import { NoopPlugins } from "./noop_plugins.ts";
import { outputWithInput, pluginDirectory } from "./plugins.ts";

/** What plugin b answers to ADD. */
export const RESULT = {
  cniVersion: "1.1.0",
  interfaces: [{ name: "eth0" }],
  ips: [{ address: "10.1.0.2/24" }],
};

/** cnitool, two plugins, and networks of them in the default place: for a sandbox. */
export class Cnitool extends NoopPlugins {
  constructor() {
    super("a", "b");
    Deno.mkdirSync("/etc/cni/net.d");
    this.network("net");
    this.reply("b", "ADD", { stdout: RESULT });
  }

  network(name: string, fields: Record<string, unknown> = {}): void {
    const plugins = [{ type: "a", capabilities: { mac: true } }, { type: "b" }];
    Deno.writeTextFileSync(
      `/etc/cni/net.d/${name}.conflist`,
      JSON.stringify({ name, cniVersion: "1.1.0", plugins, ...fields }),
    );
  }

  get env(): Record<string, string> {
    return {
      PATH: Deno.env.get("PATH")!,
      HOME: Deno.env.get("HOME") ?? "/",
      ...(Deno.env.get("DENO_DIR") ? { DENO_DIR: Deno.env.get("DENO_DIR")! } : {}),
      CNI_PATH: this.path,
    };
  }

  run(args: string[], env: Record<string, string> = {}, input = "") {
    return outputWithInput(`${pluginDirectory()}/cnitool`, input, { ...this.env, ...env }, args);
  }
}
