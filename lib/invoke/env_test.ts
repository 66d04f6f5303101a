import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "../types/error.ts";
import { inheritArgs, pluginEnv } from "./env.ts";

Deno.test("pluginEnv() sets every variable, so that none of the caller's own comes through", () => {
  const base = { PATH: "/bin", CNI_NETNS: "/mine", CNI_IFNAME: "mine0", CNI_ARGS: "A=mine" };
  assertEquals(pluginEnv({ command: "GC", path: ["/a", "/b"] }, base), {
    PATH: "/bin",
    CNI_COMMAND: "GC",
    CNI_CONTAINERID: "",
    CNI_NETNS: "",
    CNI_ARGS: "",
    CNI_IFNAME: "",
    CNI_PATH: "/a:/b",
  });
});

Deno.test("pluginEnv() writes CNI_ARGS from pairs, and takes ready-made text as it is", () => {
  const args = [["A", "1"], ["B", "x=y"]] as const;
  assertEquals(pluginEnv({ command: "ADD", path: [], args }, {}).CNI_ARGS, "A=1;B=x=y");
  assertEquals(pluginEnv({ command: "ADD", path: [], args: "A;;" }, {}).CNI_ARGS, "A;;");
  const smuggled = [["A", "1;IP=10.0.0.1"]] as const;
  const error = assertThrows(
    () => pluginEnv({ command: "ADD", path: [], args: smuggled }, {}),
    CniError,
  );
  assertEquals(error.code, 4);
});

Deno.test("inheritArgs() changes nothing but the command", () => {
  const base = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "c", OTHER: "x" };
  assertEquals(inheritArgs("DEL", base), { ...base, CNI_COMMAND: "DEL" });
});
