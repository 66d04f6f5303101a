import { assertEquals, assertThrows } from "@std/assert";
import { CniError } from "./error.ts";
import {
  validateContainerId,
  validateIfName,
  validateNetworkName,
  validatePluginType,
} from "./names.ts";

/** Names, with code, start of the message and details of the error; no error where there is only a name. */
type Cases = [name: string, code?: number, message?: string, details?: string][];

function check(validate: (name: string) => void, cases: Cases): void {
  for (const [name, code, message = "", details = ""] of cases) {
    Deno.test(`${validate.name}(${JSON.stringify(name.slice(0, 20))}) ${code ? `fails with code ${code}` : "passes"}`, () => {
      if (code === undefined) return validate(name);
      const error = assertThrows(() => validate(name), CniError);
      assertEquals([error.code, error.message.slice(0, message.length), error.details], [
        code,
        message,
        details,
      ]);
    });
  }
}

const LONG = "a".repeat(201);

check(validateContainerId, [
  ["a"],
  ["0-_.Z"],
  ["a".repeat(200)],
  ["", 3, "missing containerID"],
  ["-a", 4, "invalid characters in containerID", "-a"],
  ["..", 4, "invalid characters in containerID", ".."],
  ["a/b", 4, "invalid characters in containerID", "a/b"],
  ["a\n", 4, "invalid characters in containerID", "a\n"],
  ["a\0", 4, "invalid characters in containerID", "a\0"],
  ["é", 4, "invalid characters in containerID", "é"],
  [LONG, 4, "containerID is too long: 201 bytes", LONG],
]);

check(validateNetworkName, [
  ["a.b-c_D9"],
  ["a".repeat(200)],
  ["", 7, "missing network name"],
  ["a b", 7, "invalid characters found in network name", "a b"],
  ["../x", 7, "invalid characters found in network name", "../x"],
  ["a\0", 7, "invalid characters found in network name", "a\0"],
  [LONG, 7, "network name is too long: 201 bytes", LONG],
]);

check(validateIfName, [
  ["eth0"],
  ["é23456789012345".slice(0, 14)],
  ["123456789012345"],
  ["", 4, "interface name is empty"],
  [
    "1234567890123456",
    4,
    "interface name is too long",
    "interface name should be less than 16 characters",
  ],
  [
    "é23456789012345",
    4,
    "interface name is too long",
    "interface name should be less than 16 characters",
  ],
  [".", 4, "interface name is . or .."],
  ["..", 4, "interface name is . or .."],
  ["a/b", 4, "interface name contains / or : or whitespace characters"],
  ["a:b", 4, "interface name contains / or : or whitespace characters"],
  ["a b", 4, "interface name contains / or : or whitespace characters"],
  ["a\u0085", 4, "interface name contains / or : or whitespace characters"],
  ["a\u3000", 4, "interface name contains / or : or whitespace characters"],
  ["a\0b", 4, "interface name contains / or : or whitespace characters or NUL"],
  ["eth%d", 4, "interface name contains %"],
]);

check(validatePluginType, [
  ["host-local"],
  ["..a"],
  ["", 7, "no plugin name provided"],
  [".", 7, "invalid plugin name: ", "."],
  ["..", 7, "invalid plugin name: ", ".."],
  ["../bin/sh", 7, "invalid plugin name: ", "../bin/sh"],
  ["a\0", 7, "invalid plugin name: ", "a\0"],
]);
