import { assertEquals, assertMatch } from "@std/assert";
import { missing, reportSkip } from "../../tests/support/requirements.ts";

const SCRIPT = decodeURIComponent(new URL("../test_kernel.ts", import.meta.url).pathname);

/** What the kernel's console ends with. */
const PANIC = {
  lockup: "Kernel panic - not syncing: softlockup: hung tasks",
  other: "Kernel panic - not syncing: sysrq triggered crash",
};

/**
 * A stand-in for the emulator: counts its starts, prints the panic listed for each, and without one
 * does as a guest whose command ends with 7.
 */
const EMULATOR = `#!/bin/sh
here=\${0%/*}
echo >>"$here/starts"
for word; do
  case $word in
    file,id=console,*) console=\${word#*path=} ;;
    local,*mount_tag=control,*) control=\${word#local,path=} control=\${control%%,*} ;;
    local,*mount_tag=report,*) report=\${word#local,path=} report=\${report%%,*} ;;
  esac
done
panic=$(sed -n "$(wc -l <"$here/starts")p" "$here/panics")
if [ "$panic" ]; then
  echo "$panic" >"$console"
else
  echo "command's output" >"$report/output.log"
  echo 7 >"$control/status"
fi
`;

const lacks = missing(["busybox"]);

for (
  const [what, panics, status, starts] of [
    ["that locked up is booted again", ["lockup"], 7, 2],
    ["is booted again only once", ["lockup", "lockup"], 125, 2],
    ["that panicked for another reason is not booted again", ["other"], 125, 1],
  ] as const
) {
  const name = `test:kernel: a guest ${what}`;
  if (lacks) reportSkip(name, lacks);
  Deno.test({
    name,
    ignore: Deno.build.arch !== "x86_64" || lacks !== undefined,
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        const [bin, cache] = [`${directory}/bin`, `${directory}/cache`];
        const image = `${cache}/cni-test-kernel/linux-image-0-test/boot/vmlinuz-0-test`;
        await Deno.mkdir(bin);
        await Deno.mkdir(image.slice(0, image.lastIndexOf("/")), { recursive: true });
        await Deno.writeTextFile(image, "");
        await Deno.writeTextFile(
          `${bin}/panics`,
          panics.map((panic) => `${PANIC[panic]}\n`).join(""),
        );
        const programs = {
          "dpkg": "#!/bin/sh\n",
          "dpkg-query": "#!/bin/sh\nprintf installed\n",
          "apt-cache": "#!/bin/sh\necho '  Depends: linux-image-0-test'\n",
          "apt-get": "#!/bin/sh\nexit 1\n",
          "modprobe": "#!/bin/sh\n",
          "qemu-system-x86_64": EMULATOR,
        };
        for (const [program, text] of Object.entries(programs)) {
          await Deno.writeTextFile(`${bin}/${program}`, text, { mode: 0o755 });
        }
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--allow-all", "--quiet", SCRIPT, "--", "true"],
          env: { PATH: `${bin}:${Deno.env.get("PATH")}`, XDG_CACHE_HOME: cache },
          stdin: "null",
        }).output();
        const [output, errors] = [stdout, stderr].map((each) => new TextDecoder().decode(each));
        assertEquals(code, status, errors);
        assertEquals((await Deno.readTextFile(`${bin}/starts`)).length, starts);
        assertEquals(output, status === 7 ? "command's output\n" : "");
        assertMatch(errors!, new RegExp(PANIC[panics[0]]));
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
