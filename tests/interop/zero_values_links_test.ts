/**
 * Every option at its zero value, beside the Go plugins, of the kinds of link that not every kernel
 * has: a file of its own, since the test kernel runs it. `CNI_TEST_GO` names the directory of Go
 * plugins newer than Debian 12's, whose version is 1.1.1.
 *
 * @module
 */
import { ipam, withNewerPlugins, zeroValueTests } from "../support/zero_values.ts";

zeroValueTests({
  macvlan: {
    config: { master: "up0", mode: "private", mtu: 1400, ipam },
    zeros: { master: "", mode: "", mtu: 0, mac: "", ipam: {}, "runtimeConfig.mac": "" },
    needs: ["kernel:macvlan"],
  },
});

/** What version 1.1.1 does not know, of what it has at all. */
zeroValueTests(withNewerPlugins({
  "bridge with VLANs": {
    type: "bridge",
    config: {
      bridge: "br0",
      vlan: 5,
      vlanTrunk: [{ id: 7, minID: 10, maxID: 12 }],
      preserveDefaultVlan: true,
      ipam,
    },
    zeros: {
      vlan: 0,
      vlanTrunk: [],
      "vlanTrunk.0": {},
      "vlanTrunk.0.id": 0,
      "vlanTrunk.0.minID": 0,
      "vlanTrunk.0.maxID": 0,
      preserveDefaultVlan: false,
    },
    needs: ["kernel:bridge-vlan"],
  },
  "macvlan's queue": {
    type: "macvlan",
    config: { master: "up0", bcqueuelen: 500, ipam },
    zeros: { bcqueuelen: 0, linkInContainer: false },
    needs: ["kernel:macvlan"],
  },
  tap: {
    // With both an owner and a group the Go plugin ignores mtu and mac.
    config: { mtu: 1400, multiQueue: true, ipam },
    zeros: {
      mtu: 0,
      mac: "",
      multiQueue: false,
      owner: 0,
      group: 0,
      selinuxContext: "",
      bridge: "",
      ipam: {},
      "runtimeConfig.mac": "",
      "args.cni.mac": "",
    },
    needs: ["kernel:tap"],
  },
  ipvlan: {
    config: { master: "up0", mode: "l3", mtu: 1400, ipam },
    zeros: { master: "", mode: "", mtu: 0, linkInContainer: false, ipam: {} },
    needs: ["kernel:ipvlan"],
  },
  vlan: {
    config: { master: "up0", vlanId: 5, mtu: 1400, ipam },
    zeros: { master: "", vlanId: 0, mtu: 0, linkInContainer: false, ipam: {} },
    needs: ["kernel:vlan"],
  },
  dummy: {
    config: { ipam },
    zeros: { ipam: {}, "ipam.type": "", dns: {} },
    needs: ["kernel:dummy"],
  },
  vrf: {
    config: { vrfname: "red", table: 200 },
    zeros: { vrfname: "", table: 0 },
    chained: true,
    needs: ["kernel:vrf"],
  },
}));
