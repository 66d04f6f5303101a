import { assertEquals } from "@std/assert";
import { commandName } from "./called_as.ts";
import { chooseCommand, type Commands } from "./multicall.ts";

const load = () => Promise.reject(new Error("nothing is loaded to choose"));
const COMMANDS: Commands = {
  bridge: { kind: "plugin", load },
  cnitool: { kind: "tool", load },
};

Deno.test("chooseCommand() goes by the name it was called by, and leaves the arguments alone", () => {
  assertEquals(chooseCommand(COMMANDS, ["bridge", "cni"], ["cnitool"]), {
    name: "bridge",
    args: ["cnitool"],
  });
});

Deno.test("chooseCommand() goes by the file's name where a symbolic link has another", () => {
  assertEquals(chooseCommand(COMMANDS, ["mine", "bridge"], []), { name: "bridge", args: [] });
});

Deno.test("chooseCommand() takes the first argument where no name tells", () => {
  assertEquals(chooseCommand(COMMANDS, ["cni", "cni"], ["cnitool", "add", "net"]), {
    name: "cnitool",
    args: ["add", "net"],
  });
});

Deno.test("chooseCommand() takes the executable's own command where nothing else tells", () => {
  const commands: Commands = { ...COMMANDS, cni: { kind: "tool", load } };
  assertEquals(chooseCommand(commands, ["cni", "cni"], ["serve"]), {
    name: "cni",
    args: ["serve"],
  });
  assertEquals(chooseCommand(commands, ["cni", "cni"], ["bridge", "x"]), {
    name: "bridge",
    args: ["x"],
  });
  assertEquals(chooseCommand(commands, ["bridge", "cni"], []), { name: "bridge", args: [] });
  // A link of that name to the file of another.
  assertEquals(chooseCommand(commands, ["cni", "cnitool"], ["version"]).name, "cni");
  assertEquals(chooseCommand(commands, ["mine"], []), { name: "cni", args: [] });
});

Deno.test("chooseCommand() looks up what a name stands for, if it is not known itself", () => {
  const commands: Commands = { ...COMMANDS, cni: { kind: "tool", load } };
  const asked: string[] = [];
  const choose = (...names: string[]) =>
    chooseCommand(commands, names, [], (name) => {
      asked.push(name);
      return { acme: "bridge", bridge: "cnitool", other: "cni", gone: "ptp" }[name];
    }).name;
  assertEquals([choose("acme", "cni"), choose("cni2", "acme")], ["bridge", "bridge"]);
  assertEquals([choose("other", "cni"), choose("gone", "gone")], ["cni", "cni"]);
  asked.length = 0;
  assertEquals([choose("bridge", "cni"), choose("acme", "bridge")], ["bridge", "bridge"]);
  assertEquals([choose("cni", "acme"), asked], ["cni", []]);
});

Deno.test("chooseCommand() finds nothing under a name that only an object's prototype has", () => {
  assertEquals(chooseCommand(COMMANDS, ["toString"], ["constructor"]), { args: ["constructor"] });
});

Deno.test("commandName() is the last part, of a file that was replaced too", () => {
  assertEquals(commandName("/opt/cni/bin/bridge (deleted)"), "bridge");
  assertEquals(commandName("cnitool"), "cnitool");
});
