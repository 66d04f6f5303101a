import { assert, assertEquals } from "@std/assert";
import { runtime } from "../runtime/mod.ts";
import { releaseFilePages, unwritten } from "./file_pages.ts";

/** As proc_pid_smaps(5) shows it, but for the fields that do not matter here. */
function mapping(line: string, anonymous: number): string {
  return `${line}\nSize:               1228 kB\nRss:                 868 kB\n` +
    `Anonymous:      ${String(anonymous).padStart(8)} kB\nVmFlags: rd mr mw me sd\n`;
}

Deno.test("unwritten lists code and constants of files, without what was written to", () => {
  const file = "fe:00 2392578                            /opt/cni/bin/cni";
  const smaps = [
    mapping(`00200000-01a39000 r--p 00000000 ${file}`, 0),
    mapping(`01a40000-0684a000 r-xp 01838000 ${file}`, 0),
    mapping(`0684a000-0685f000 r--p 06641000 ${file}`, 48), // RELRO
    mapping(`06867000-06dae000 rw-p 0665e000 ${file}`, 0),
    mapping(`06dae000-06dbe000 r--s 00000000 ${file}`, 0),
    mapping("7ff02580b000-7ff06580b000 r--p 00000000 00:00 0", 0),
    mapping("7ffcf73d1000-7ffcf73d3000 r-xp 00000000 00:00 0                          [vdso]", 0),
  ];
  assertEquals([...unwritten(smaps.join(""))], [
    { address: 0x200000n, length: 0x1839000n },
    { address: 0x1a40000n, length: 0x4e0a000n },
  ]);
});

Deno.test("releaseFilePages makes the process smaller, which goes on", () => {
  const fileMemory = () =>
    Number(/^RssFile:\s*(\d+) kB$/m.exec(runtime.files.readText("/proc/self/status"))![1]);
  const before = fileMemory();
  releaseFilePages();
  const after = fileMemory();
  assert(after < before / 2, `${before} kB before, ${after} kB after`);
});
