import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CNI } from "./cni.ts";
import { hasProgram } from "./scripts/support/files.ts";
import { fromFileUrl } from "./tests/support/paths.ts";

const ROOT = fromFileUrl(new URL(".", import.meta.url));

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const { code, stdout, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", "--no-check", `${ROOT}/cni.ts`, ...args],
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("cni alone, and cni --help, list its commands", () => {
  for (const args of [[], ["--help"], ["help"]]) {
    const { code, stdout, stderr } = run(...args);
    assertEquals([code, stderr], [0, ""]);
    for (const { name, summary } of CNI.commands) {
      assertMatch(stdout, new RegExp(`\\n  ${name} +`));
      assertStringIncludes(stdout, summary);
    }
  }
  for (const { name, example } of CNI.commands) {
    assertMatch(example, new RegExp(`^cni ${name}( |$)`));
  }
});

Deno.test("cni version tells what the executable is", () => {
  assertMatch(
    run("version").stdout,
    /^cni .+ \(deno [\d.]+\)\nCNI protocol versions supported: 0\.1\.0/,
  );
  assertEquals(run("--version").stdout, run("version").stdout);
  const { plugins, supportedVersions, commit, date } = JSON.parse(run("version", "--json").stdout);
  assertEquals(plugins.filter((name: string) => /^(bridge|dhcp|portmap)$/.test(name)).length, 3);
  assertEquals(supportedVersions.at(-1), "1.1.0");
  // The build says which commit it is made of.
  assertEquals([commit, date], ["", ""]);
});

Deno.test("cni hands lines on to what has lines of its own", () => {
  assertStringIncludes(run("dhcp", "--help").stdout, "dhcp daemon [FLAG...]");
  assertStringIncludes(run("dhcp", "leases", "-socketpath", "/nowhere").stderr, "/nowhere");
  const bare = run("firewall-reload");
  assertEquals([bare.code, bare.stdout], [2, ""]);
  assertStringIncludes(bare.stderr, "firewall-reload --once");
  assertStringIncludes(run("firewall-reload", "--twice").stderr, '"--twice"');
});

Deno.test("cni refuses what it does not know, and says what was probably meant", () => {
  const { code, stderr } = run("sevre");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "unknown command sevre (did you mean serve?)");
});

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test({
    name: `cni completion ${shell} makes the shell offer commands and options`,
    ignore: !hasProgram(shell),
    fn() {
      const directory = Deno.makeTempDirSync();
      try {
        // The script runs `cni`, which is on PATH.
        const command = `exec '${Deno.execPath()}' run -qA --no-check '${ROOT}/cni.ts' "$@"`;
        Deno.writeTextFileSync(`${directory}/cni`, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
        Deno.writeTextFileSync(`${directory}/script`, run("completion", shell).stdout);
        const offered = (...words: string[]) => complete(shell, directory, words);
        assertEquals(offered("s"), ["serve", "status"]);
        assertEquals(offered("completion", ""), ["bash", "fish", "zsh"]);
        assertEquals(offered("status", "--j"), ["--json"]);
        Deno.writeTextFileSync(`${directory}/a file`, "");
        assertEquals(offered("serve", "--socket", "a"), ["a file"]);
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    },
  });
}

/** What a shell offers in the place of the last word. */
function complete(shell: string, directory: string, words: string[]): string[] {
  const line = ["cni", ...words].join(" ");
  const scripts: Record<string, string> = {
    bash:
      `source ./script; COMP_WORDS=(cni "$@"); COMP_CWORD=$#; _cni; printf '%s\\n' "\${COMPREPLY[@]}"`,
    // Without a terminal zsh completes nothing, so its own functions are stood in for.
    zsh: `compdef() { :; }; _describe() { printf '%s\\n' "\${(@)\${(P)2}%%:*}"; }
      _files() { printf '%s\\n' "\${words[CURRENT]}"*; }
      source ./script; words=(cni "$@"); CURRENT=$#words; _cni`,
    fish: `source ./script; complete -C '${line}'`,
  };
  const { stdout } = new Deno.Command(shell, {
    args: ["-c", scripts[shell]!, shell, ...words],
    cwd: directory,
    env: { PATH: `${directory}:${Deno.env.get("PATH")}` },
    stdin: "null",
  }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").map((each) => each.split("\t")[0]!)
    .map((each) => each.replaceAll("\\ ", " ")).filter((word) => word !== "" && word !== "script")
    .filter((word) => word.startsWith(words.at(-1)!)).sort();
}
