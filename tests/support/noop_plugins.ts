/**
 * Plugins that do nothing but write down what they were called with, and answer what the test told
 * them to.
 *
 * @module
 */
import { SPEC_VERSIONS } from "../../lib/types/versions.ts";

/** What a plugin was called with. */
export interface NoopCall {
  plugin: string;
  env: Record<string, string>;
  /** Standard input as it came, and parsed. */
  text: string;
  // deno-lint-ignore no-explicit-any -- configurations are asserted on in parts
  stdin: any;
}

/** What a plugin is to answer. An object on standard output is written as JSON. */
export interface NoopReply {
  stdout?: unknown;
  stderr?: string;
  exit?: number;
  /** More for the plugin, a shell script, to do before it ends. */
  script?: string;
}

/** The plugin: a script that knows its directory. */
const SCRIPT = (directory: string) =>
  `#!/bin/sh
call="${directory}/calls/$(ls '${directory}/calls' | wc -l)"
mkdir "$call"
cat > "$call/stdin"
env -0 > "$call/env"
basename "$0" > "$call/plugin"
reply="${directory}/replies/\${0##*/}.$CNI_COMMAND"
if [ -f "$reply.stderr" ]; then cat "$reply.stderr" >&2; fi
if [ -f "$reply.stdout" ]; then cat "$reply.stdout"; fi
if [ -f "$reply.script" ]; then . "$reply.script"; fi
if [ -f "$reply.exit" ]; then exit $(cat "$reply.exit"); fi
`;

/** Plugins of the given names in a directory of their own, which goes when this is disposed. */
export class NoopPlugins implements Disposable {
  /** For the test's own files too. */
  readonly directory: string = Deno.makeTempDirSync({ prefix: "cni-noop-" });
  /** What to put on CNI_PATH. */
  readonly path: string = `${this.directory}/bin`;

  constructor(...names: string[]) {
    for (const inner of ["bin", "calls", "replies"]) Deno.mkdirSync(`${this.directory}/${inner}`);
    for (const name of names) this.install(name);
  }

  /** Adds a plugin. It succeeds at everything, ADD with an empty result. */
  install(name: string): void {
    Deno.writeTextFileSync(`${this.path}/${name}`, SCRIPT(this.directory), { mode: 0o755 });
    this.reply(name, "ADD", { stdout: {} });
    const supportedVersions = SPEC_VERSIONS;
    this.reply(name, "VERSION", { stdout: { cniVersion: "1.1.0", supportedVersions } });
  }

  /** Says how a plugin answers a command from now on. */
  reply(name: string, command: string, { stdout, stderr, exit, script }: NoopReply): void {
    const text = typeof stdout === "object" ? JSON.stringify(stdout) : stdout as string | undefined;
    const parts = { stdout: text, stderr, exit: exit?.toString(), script };
    for (const [part, content] of Object.entries(parts)) {
      const file = `${this.directory}/replies/${name}.${command}.${part}`;
      if (content === undefined) remove(file);
      else Deno.writeTextFileSync(file, content);
    }
  }

  /** Every call so far, in order. */
  calls(): NoopCall[] {
    const numbers = Array.from(Deno.readDirSync(`${this.directory}/calls`), ({ name }) => +name);
    return numbers.sort((a, b) => a - b).map((number) => {
      const read = (name: string) =>
        Deno.readTextFileSync(`${this.directory}/calls/${number}/${name}`);
      const variables = read("env").split("\0").filter(Boolean).map((line) => {
        const equals = line.indexOf("=");
        return [line.slice(0, equals), line.slice(equals + 1)];
      });
      const text = read("stdin");
      return {
        plugin: read("plugin").trim(),
        env: Object.fromEntries(variables),
        text,
        stdin: JSON.parse(text),
      };
    });
  }

  /** Plugin and command of every call, in order: `a ADD`. */
  order(): string[] {
    return this.calls().map(({ plugin, env }) => `${plugin} ${env.CNI_COMMAND}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function remove(file: string): void {
  try {
    Deno.removeSync(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
