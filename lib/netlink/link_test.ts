import { assertEquals } from "@std/assert";
import { bytes } from "../../tests/support/hex.ts";
import { LINK } from "./link.ts";

/** `ip link add eth0 mtu 1400 address 0a:58:0a:01:00:02 type veth peer name vp0 netns /proc/self/fd/7` */
const NEW_VETH = bytes(`
  00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00 // struct ifinfomsg
  0a 00 01 00  0a 58 0a 01 00 02 00 00               // IFLA_ADDRESS
  09 00 03 00  65 74 68 30 00 00 00 00               // IFLA_IFNAME "eth0"
  08 00 04 00  78 05 00 00                           // IFLA_MTU 1400
  30 00 12 00                                        // IFLA_LINKINFO
    09 00 01 00  76 65 74 68 00 00 00 00             //   IFLA_INFO_KIND "veth"
    20 00 02 00                                      //   IFLA_INFO_DATA
      1c 00 01 00                                    //     VETH_INFO_PEER
        00 00 00 00  00 00 00 00                     //       struct ifinfomsg
        00 00 00 00  00 00 00 00
        08 00 03 00  76 70 30 00                     //       IFLA_IFNAME "vp0"
`);

Deno.test("LINK writes a veth pair as iproute2 does", () => {
  const encoded = LINK.encode({
    name: "eth0",
    mtu: 1400,
    address: "0a:58:0a:01:00:02",
    info: { kind: "veth", data: { peer: { name: "vp0" } } },
  });
  assertEquals(encoded, NEW_VETH);
});

Deno.test("LINK writes all of a veth's peer", () => {
  const peer = { name: "vp0", mtu: 1400, address: "0a:58:0a:01:00:01", txqlen: 1, group: 7 };
  const { info } = LINK.decode(LINK.encode({ info: { kind: "veth", data: { peer } } }));
  for (const [key, value] of Object.entries(peer)) {
    assertEquals(info?.data?.peer?.[key as keyof typeof peer], value, key);
  }
});

Deno.test("LINK reads back what it writes", () => {
  const { name, mtu, address, info } = LINK.decode(NEW_VETH);
  assertEquals([name, mtu, address, info?.kind], ["eth0", 1400, "0a:58:0a:01:00:02", "veth"]);
  assertEquals(info?.data?.peer?.name, "vp0");
});

/** What the kernel (6.18) answers for a bridge's port, cut to the attributes of interest. */
const BRIDGE_PORT = bytes(`
  00 00 01 00  03 00 00 00  43 10 01 00  00 00 00 00 // family, type 1 (Ethernet), index 3, flags
  0d 00 03 00  76 65 74 68 31 32 33 34 00 00 00 00   // IFLA_IFNAME "veth1234"
  08 00 0a 00  02 00 00 00                           // IFLA_MASTER 2
  05 00 10 00  06 00 00 00                           // IFLA_OPERSTATE up
  08 00 25 00  05 00 00 00                           // IFLA_LINK_NETNSID 5
  38 00 12 00                                        // IFLA_LINKINFO
    09 00 01 00  76 65 74 68 00 00 00 00             //   IFLA_INFO_KIND "veth"
    0b 00 04 00  62 72 69 64 67 65 00 00             //   IFLA_INFO_SLAVE_KIND "bridge"
    1c 00 05 00                                      //   IFLA_INFO_SLAVE_DATA
      05 00 01 00  03 00 00 00                       //     IFLA_BRPORT_STATE forwarding
      05 00 04 00  01 00 00 00                       //     IFLA_BRPORT_MODE hairpin
      05 00 21 00  01 00 00 00                       //     IFLA_BRPORT_ISOLATED
`);

Deno.test("LINK reads a bridge's port with its port attributes", () => {
  const link = LINK.decode(BRIDGE_PORT);
  assertEquals(
    [link.name, link.index, link.master, link.operState, link.parentNetnsId],
    ["veth1234", 3, 2, 6, 5],
  );
  assertEquals([link.info?.kind, link.info?.portKind], ["veth", "bridge"]);
  assertEquals(link.info?.portData, { state: 3, hairpin: 1, isolated: 1 });
});
