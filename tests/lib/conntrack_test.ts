import { assertEquals } from "@std/assert";
import { removeConnections } from "../../lib/conntrack/conntrack.ts";
import { kernelTest } from "../support/sandbox.ts";

kernelTest("removeConnections() removes those to several ports, and no others", (sandbox) => {
  const insert = (protocol: string, port: number, from: string, to: string) =>
    sandbox.run(
      "conntrack",
      `-I -p ${protocol} -s ${from} -d ${to} --sport 4000 --dport ${port} -t 60`.split(" "),
    );
  for (const port of [1000, 1001, 1002]) {
    insert("udp", port, "192.0.2.1", "192.0.2.2");
    insert("udp", port, "2001:db8::1", "2001:db8::2");
  }
  const left = (family: string) =>
    sandbox.run("conntrack", ["-L", "-f", family]).split("\n").flatMap((line) =>
      /dport=(100\d)/.exec(line)?.[1] ?? []
    ).sort();
  const wanted = [1000, 1001, 1003].map((port) => ({
    family: 4 as const,
    protocol: "udp" as const,
    port,
    isStale: () => port !== 1001,
  }));
  assertEquals(removeConnections(wanted), 1);
  assertEquals([left("ipv4"), left("ipv6")], [["1001", "1002"], ["1000", "1001", "1002"]]);
  const six = wanted.map((each) => ({ ...each, family: 6 as const, isStale: () => true }));
  assertEquals(removeConnections(six.slice(0, 2)), 2);
  assertEquals(removeConnections([{ ...six[0]!, port: 1002 }]), 1);
  assertEquals([left("ipv4"), left("ipv6")], [["1001", "1002"], []]);
}, { needs: ["conntrack"] });
