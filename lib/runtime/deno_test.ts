import { assertEquals } from "@std/assert";
import { denoRuntime } from "./deno.ts";
import { errnoNumber } from "./errno.ts";

Deno.test("errno() binds nothing after the call that failed, which could set errno itself", () => {
  const runtime = denoRuntime();
  const { close } = runtime.bind("libc.so.6", { close: ["i32", "i32"] });
  const { dlopen } = Deno;
  try {
    Object.assign(Deno, {
      dlopen: () => {
        throw new Error("bound too late");
      },
    });
    assertEquals(close(-1), -1);
    assertEquals(runtime.errno(), errnoNumber("EBADF"));
  } finally {
    Object.assign(Deno, { dlopen });
  }
});

Deno.test({
  name: "exists() needs no permission to call C functions",
  permissions: { read: true },
  fn() {
    const { files } = denoRuntime();
    const { filename, dirname } = import.meta;
    const paths = [filename!, `${dirname}/none`, `${filename}/none`, `/${"x".repeat(300)}`];
    assertEquals(paths.map((path) => files.exists(path)), [true, false, false, true]);
  },
});
