import { assertEquals } from "@std/assert";
import { missing } from "../../tests/support/requirements.ts";
import { ROOT } from "../support/root.ts";
import { lackingLinks, linkTests } from "./link_tests.ts";

Deno.test("lackingLinks() lists kinds of links that this machine lacks, with tests that need them", () => {
  const lacking = lackingLinks();
  assertEquals(lacking.filter((need) => !missing([need])), []);
  const texts = linkTests().map((path) => Deno.readTextFileSync(`${ROOT}/${path}`));
  for (const need of lacking) {
    assertEquals(texts.some((text) => text.includes(`"${need}"`)), true, need);
  }
});

Deno.test("CNI_TEST_LACKING leaves only the kernel tests that need one of its words", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const sandbox = new URL("../../tests/support/sandbox.ts", import.meta.url);
    const file = `${directory}/some_test.ts`;
    await Deno.writeTextFile(
      file,
      `import { kernelTest } from "${sandbox}";
kernelTest("needs nothing", () => {});
kernelTest("needs another", () => {}, { needs: ["kernel:another"] });
kernelTest("needs it", () => {}, { needs: ["nft", "kernel:it"] });
`,
    );
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--allow-all", "--no-check", "--config", `${ROOT}/deno.json`, file],
      env: {
        CNI_TEST_LACKING: "kernel:other kernel:it",
        CNI_TEST_SKIPS: `${directory}/skips`,
        NO_COLOR: "1",
      },
    }).output();
    const names = new TextDecoder().decode(stdout).matchAll(/^(needs \w+) \.\.\. ignored/gm);
    assertEquals(Array.from(names, ([, name]) => name), ["needs it"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
