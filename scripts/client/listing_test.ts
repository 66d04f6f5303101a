import { assertEquals } from "@std/assert";
import { missing, reportSkip } from "../../tests/support/requirements.ts";
import { MACHINES, makeClient } from "./client.ts";

/** What shows each machine's instructions; the second is Debian's name for it on another machine. */
const DISASSEMBLERS = {
  x86_64: {
    programs: ["objdump", "x86_64-linux-gnu-objdump"],
    options: ["-m", "i386:x86-64", "-M", "intel"],
  },
  aarch64: { programs: ["aarch64-linux-gnu-objdump"], options: ["-m", "aarch64"] },
} as const;

for (const { name, elfMachine } of MACHINES) {
  const { programs, options } = DISASSEMBLERS[name];
  const program = programs.find((program) => !missing([program]));
  const test = `a disassembler reads the client's ${name} instructions as they were meant`;
  if (!program) reportSkip(test, missing([programs[0]])!);
  Deno.test({ name: test, ignore: !program }, () => {
    const { file, listing } = makeClient({ elfMachine });
    const [first, last] = [listing[0]!, listing.at(-1)!];
    const base = 0x400000;
    const code = file.slice(first.address - base, last.address - base + last.bytes.length);
    const path = Deno.makeTempFileSync({ prefix: "client-" });
    Deno.writeFileSync(path, code);
    const { stdout } = new Deno.Command(program!, {
      args: ["-D", "-b", "binary", ...options, `--adjust-vma=${first.address}`, path],
    }).outputSync();
    Deno.removeSync(path);
    const shown = new TextDecoder().decode(stdout).split("\n").flatMap(readLine);
    assertEquals(shown, listing.map(({ address, text }) => `${address.toString(16)}: ${text}`));
  });
}

/** `  400228:\t48 89 e3             \tmov    rbx,rsp`, with comments behind `//` and `#` */
function readLine(line: string): string[] {
  const [, address, text] = /^ *([0-9a-f]+):\t[0-9a-f ]+\t(.*)$/.exec(line) ?? [];
  if (!address) return [];
  return [`${address}: ${text!.replace(/\s*(\/\/|# ).*/, "").replace(/\s+/g, " ").trim()}`];
}
