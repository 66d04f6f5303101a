import { assertEquals } from "@std/assert";
import type { Program } from "./command.ts";
import { complete } from "./complete.ts";

const command = { summary: "do it", example: "p do", run: () => 0 };
const PROGRAM: Program = {
  name: "p",
  summary: "",
  explain: () => "",
  commands: [
    {
      ...command,
      name: "add",
      operands: [{ name: "NETWORK", completes: () => ["demo", "other"] }, { name: "X" }],
      options: [
        { name: "ifname", short: "i", value: "NAME", help: "a name" },
        { name: "file", value: "FILE", help: "a file", completes: "file" },
        { name: "keep", value: "ONE", repeated: true, help: "more", completes: () => ["k1"] },
        { name: "json", help: "JSON" },
      ],
    },
    {
      ...command,
      name: "exec",
      operands: [{ name: "NETNS", completes: () => ["blue"] }],
      rest: "PROGRAM",
      restCompletes: "program",
      options: [],
    },
    {
      ...command,
      name: "within",
      operands: [],
      rest: "LINE",
      restProgram: {
        name: "q",
        summary: "",
        explain: () => "",
        commands: [{
          ...command,
          name: "del",
          operands: [{ name: "NETWORK", completes: () => ["demo"] }],
          options: [{ name: "force", help: "" }],
        }],
      },
      options: [{ name: "json", help: "JSON" }],
    },
    {
      ...command,
      name: "broken",
      operands: [{
        name: "X",
        completes() {
          throw new Error("no");
        },
      }],
      options: [],
    },
  ],
};

Deno.test("complete() offers commands, operands, options and their values, where each can stand", () => {
  const cases: [string[], string[]][] = [
    [[""], ["add", "exec", "within", "broken", "help"]],
    [["a"], ["add"]],
    [["help", "e"], ["exec"]],
    [["add", ""], ["demo", "other"]],
    [["add", "d"], ["demo"]],
    [["add", "demo", ""], []],
    [["add", "-"], ["--ifname", "--file", "--keep", "--json"]],
    [["add", "--json", "--keep", "a", "--"], ["--ifname", "--file", "--keep"]],
    [["add", "--keep", ""], ["k1"]],
    [["add", "-i", ""], []],
    [["add", "-i", "eth1", ""], ["demo", "other"]],
    [["add", "--file", ""], [":file"]],
    [["exec", ""], ["blue"]],
    [["exec", "blue", ""], [":program"]],
    [["exec", "blue", "ls", ""], []],
    [["within", ""], ["del", "help"]],
    [["within", "-"], ["--json"]],
    [["within", "--json", "d"], ["del"]],
    [["within", "--json", "del", ""], ["demo"]],
    [["within", "del", "--"], ["--force"]],
    [["broken", ""], []],
    [["nothing", ""], []],
    [[], ["add", "exec", "within", "broken", "help"]],
  ];
  for (const [words, expected] of cases) {
    const { candidates, also } = complete(PROGRAM, words);
    const offered = [...candidates.map(({ word }) => word), ...also ? [`:${also}`] : []];
    assertEquals(offered, expected, words.join(" "));
  }
});
