import { assertEquals } from "@std/assert";

const SCRIPT = decodeURIComponent(new URL("../test_kernel.ts", import.meta.url).pathname);

/** Stand-ins for Debian's programs, up to the download of a kernel, which never ends. */
const FAKES = {
  "dpkg": "",
  "dpkg-query": "printf installed",
  "apt-cache": "echo '  Depends: linux-image-0-test'",
  "apt-get": "echo $$ >begun; exec sleep 60",
};

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test({
    name: `test:kernel: ${signal} while the kernel is fetched leaves nothing behind`,
    ignore: Deno.build.arch !== "x86_64",
    async fn() {
      const directory = await Deno.makeTempDir();
      try {
        const [bin, cache] = [`${directory}/bin`, `${directory}/cache/cni-test-kernel`];
        await Deno.mkdir(bin);
        for (const [name, text] of Object.entries(FAKES)) {
          await Deno.writeTextFile(`${bin}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        }
        await using task = new Deno.Command(Deno.execPath(), {
          args: ["run", "--allow-all", "--quiet", SCRIPT, "--", "true"],
          env: { PATH: `${bin}:${Deno.env.get("PATH")}`, XDG_CACHE_HOME: `${directory}/cache` },
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
        const download = await begun(cache);
        task.kill(signal);
        assertEquals((await task.status).code, 130);
        assertEquals(Array.from(Deno.readDirSync(cache)), []);
        assertEquals(isRunning(download), false);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}

/** Waits for the download; returns its process ID. */
async function begun(cache: string): Promise<string> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    try {
      for (const { name } of Deno.readDirSync(cache)) {
        const pid = Deno.readTextFileSync(`${cache}/${name}/begun`).trim();
        if (pid) return pid;
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the download of the kernel never began");
}

function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
