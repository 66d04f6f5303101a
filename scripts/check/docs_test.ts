import { assertEquals } from "@std/assert";
import { findings } from "./docs.ts";

Deno.test("links that lead nowhere, and pages that the index does not list, are found", () => {
  const page = (path: string, text: string) => ({ path, text });
  const pages = [
    page("README.md", "[a](docs/a.md) [web](https://example.com/) [here](#x)"),
    page("docs/README.md", "[a](a.md#part) [b](b.md)\n```\n[c](c.md)\n```\n"),
    page("docs/a.md", "[up](../README.md) [gone](plugins/gone.md)"),
    page("docs/plugins/d.md", ""),
  ];
  const paths = pages.map(({ path }) => path);
  assertEquals(findings(pages, (path) => paths.includes(path)), [
    "docs/README.md has a link to docs/b.md, which is not there",
    "docs/a.md has a link to docs/plugins/gone.md, which is not there",
    "docs/README.md does not list docs/plugins/d.md",
  ]);
});
