/**
 * Promises about names that lead elsewhere, which are no packets, but the one known vulnerability that
 * is left.
 *
 * @module
 */
import { pluginDirectory, tryPlugin } from "../../plugins.ts";
import { NOTHING, type PacketPromise } from "./promise.ts";

const SCRIPT = `#!/bin/sh
touch /run/test/executed
echo '{"cniVersion":"1.1.0","ips":[]}'
`;

function writeProgram(path: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, SCRIPT, { mode: 0o755 });
}

export const NAMES: readonly PacketPromise[] = [
  {
    id: "type-elsewhere",
    made: [
      "CVE-2021-20206",
      "docs/security.md: `type` must be a file name: code 7 before anything is looked up",
    ],
    promise: "a plugin's type names a file of CNI_PATH, and no other",
    attack: "a network, or its IPAM, whose type leads elsewhere",
    control: "the path in the name",
    shapes: ["cnitool", "ipam"].map((by) => ({ by })),
    seen: NOTHING,
    seenInControl: "the program",
    run({ sandbox, shape, isKept }) {
      const type = isKept ? "../elsewhere/program" : "program";
      writeProgram("/run/test/elsewhere/program");
      writeProgram("/run/test/plugins/program");
      const netns = sandbox.container();
      const path = `/run/test/plugins:${pluginDirectory()}`;
      if (shape.by === "ipam") {
        const config = { cniVersion: "1.1.0", name: "n", type: "bridge", ipam: { type } };
        const { code, json } = tryPlugin(sandbox, {
          command: "ADD",
          config,
          netns,
          env: { CNI_PATH: path },
        });
        if (isKept && (code === 0 || json.code !== 7)) return `code ${json?.code}`;
      } else {
        const list = { cniVersion: "1.1.0", name: "n", plugins: [{ type }] };
        Deno.mkdirSync("/run/test/net.d");
        Deno.writeTextFileSync("/run/test/net.d/n.conflist", JSON.stringify(list));
        const words = ["NETCONFPATH=/run/test/net.d", `CNI_PATH=${path}`];
        const cnitool = `${pluginDirectory()}/cnitool`;
        sandbox.try("env", [...words, cnitool, "add", "n", netns.path]);
      }
      try {
        Deno.statSync("/run/test/executed");
        return "the program";
      } catch {
        return NOTHING;
      }
    },
  },
];
