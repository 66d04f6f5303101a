/**
 * In what these plugins differ from Go's, deliberately.
 *
 * `deno task test:faults --suite differential` finds no other difference, and with `--all` each of
 * these; docs/compatibility.md shows them.
 *
 * @module
 */

/** The version of the Go plugins that these differences were found with. */
export const GO_VERSION = "1.9.1";

/** A difference that is meant to be. */
export interface AcceptedDifference {
  /** A word, for counts. */
  readonly id: string;
  /** The plugins that have it; all when absent. */
  readonly plugins?: readonly string[];
  /** The lines of a comparison that are it. */
  readonly lines: RegExp;
  /** Whether it may be one with a configuration; with any when absent. */
  where?(options: Readonly<Record<string, unknown>>): boolean;
  /** What differs, in Markdown. */
  readonly what: string;
  /** Why, in Markdown. */
  readonly reason: string;
}

/** Whether a configuration has one of these keys: a condition of differences. */
function sets(
  ...paths: readonly string[]
): (options: Readonly<Record<string, unknown>>) => boolean {
  const has = (value: unknown, [key, ...rest]: readonly string[]): boolean =>
    key === undefined ||
    typeof value === "object" && value !== null && key in value &&
      has((value as Record<string, unknown>)[key], rest);
  return (options) => paths.some((path) => has(options, path.split(".")));
}

/** The differences: of all plugins first. */
export const ACCEPTED: readonly AcceptedDifference[] = [
  {
    id: "code",
    lines: /^(STATUS|ADD|CHECK|GC|DEL): 999 .*, ours: (4|5|7|8|11|50|100) /s,
    what: "an error has one of the specification's codes where Go's has 999",
    reason:
      "the code is what a runtime can act on: 7 is a mistake in the configuration, 11 passes " +
      "by itself",
  },
  {
    id: "crash",
    plugins: ["bandwidth", "tuning"],
    lines: /^\w+: exit status 2 \(panic: /,
    what: "no configuration is a crash",
    reason: "Go's end without an answer where prevResult is missing, or `sysctl` beside that of " +
      "`args.cni`",
  },
  {
    id: "undone",
    lines: /^after failed ADD, only /,
    what: "an ADD that fails leaves nothing",
    reason: "the specification wants that; Go's leave interfaces, addresses and reservations",
  },
  {
    id: "status",
    lines: /^STATUS: success, ours: (7|50) /,
    what: "STATUS fails where an ADD would",
    reason: "that is what it is for; most of Go's plugins only look at the version",
  },
  {
    id: "values",
    lines:
      /^ADD: success, ours: 7 .*"msg": "(invalid [\w-]+ configuration: )?\\"(mtu|(args\.cni\.)?txQLen|ipMasqBackend|hwaddr|firewalldZone|dataDir|ipam\.(routes\[0\]\.dst|addresses\[0\]\.address))\\" is /s,
    what: "a value that means nothing is refused, whether it would be used or not",
    reason: "a mistake is found before it matters; Go's pass over `mtu` -1, over a route without " +
      "`dst`, and over what another option makes useless",
  },
  {
    id: "alias",
    lines: /: (container|host) link \S+ ifalias: "cni:/,
    what: "an interface's alias names its attachment",
    reason:
      "by it DEL and GC know their own, also where a namespace's path is another one's by now",
  },
  {
    id: "records",
    lines: /: file \/run\/cni\/(firewall|host-device)\//,
    what: "records in `/run/cni`",
    reason: "by them DEL and GC need neither prevResult nor options, and rules come back after a " +
      "flush; the Go plugins pass over them",
  },
  {
    id: "index",
    lines: /: symlink \S+\/\.owners\//,
    what: "host-local has an index beside its files",
    reason: "an attachment's addresses are found without reading every file; it is made anew " +
      "where Go's has written",
  },
  {
    id: "table-routes",
    lines:
      /^(CHECK|our CHECK of the other's): 999 .*(Expected Route|Failed to find Gateway).*, ours: success/s,
    what: "CHECK finds routes of other tables, and addresses with /32 or /128",
    reason: "Go's CHECK fails on a network that Go's ADD has just made",
  },
  {
    id: "route-metrics",
    lines:
      /^after (ADD, only (Go|ours)|DEL, only (Go|ours)|(Go's|our) DEL of the other's): container route[46] .*"dst":"192\.0\.2\.0\/24"/,
    what: "`mtu` and `advmss` of routes are applied",
    reason: "the specification has them; Go's are in the result only",
  },
  {
    id: "announced",
    plugins: ["macvlan", "ipvlan", "vlan", "host-device", "dummy", "tap", "bridge", "ptp"],
    lines: /^after ADD, only (Go|ours): container sysctl ipv[46]\/conf\/eth0\/(arp|ndisc)_notify: /,
    what: "every interface announces its addresses, IPv6's too",
    reason: "neighbours know at once where an address is by now",
  },
  {
    id: "dad",
    plugins: ["bridge", "ptp"],
    lines: / host sysctl ipv6\/conf\/(VETH|cni0|br0)\/accept_dad: /,
    what: "host ends and new bridges look for no duplicate of their link-local address",
    reason: "until they have, a second or two, a container's first IPv6 packets go nowhere",
  },
  {
    id: "queues",
    plugins: ["bridge", "ptp"],
    lines: / host link \S+ num_[rt]x_queues: /,
    what: "host ends have one queue for each direction",
    reason:
      "the kernel has one for each processor, of which it uses one, and keeps everybody from " +
      "changing interfaces while it leaves out the others; a container's end has them",
  },
  {
    id: "masquerading-del",
    plugins: ["bridge", "ptp"],
    lines: /^DEL: 999 .*iptables -t nat -D POSTROUTING .* does not exist.*, ours: success/s,
    where: ({ ipMasqBackend }) => ipMasqBackend === "nftables",
    what: "DEL of what is masqueraded with nftables succeeds",
    reason: "Go's asks iptables, too, and fails where iptables has never had the chain",
  },
  {
    id: "masquerading-owner",
    plugins: ["bridge", "ptp"],
    lines: / nat -A CNI-[0-9a-f]{24} -s \S+ -m comment --comment "[0-9a-f]{16}-/,
    what: "a masquerading chain has a rule that says which attachment an address is of",
    reason: "the chain is named after network and container, which may have two interfaces",
  },
  {
    id: "single-address",
    plugins: ["ptp"],
    lines: /^ADD: 999 .*failed to delete route .*\/(32|128) .*, ours: success/s,
    what: "an address may have the prefix /32 or /128",
    reason: "Go's wants to remove a route that the kernel makes of no such address",
  },
  {
    id: "layer-2",
    plugins: ["bridge"],
    lines: /^(CHECK|our CHECK of the other's): 999 .*no plugin name provided.*, ours: success/s,
    what: "CHECK of a bridge without IPAM succeeds",
    reason: "Go's wants IPAM where ADD does not",
  },
  {
    id: "reserved-groups",
    plugins: ["bridge"],
    lines: / link (cni0|br0) linkinfo\.info_data\.no_linklocal_learn: /,
    where: sets("macspoofchk"),
    what: "with `macspoofchk` a bridge learns no address of frames to reserved groups",
    reason: "they reach no rule of a bridge's, which so learns forged addresses",
  },
  {
    id: "old-results",
    plugins: ["loopback"],
    lines: /^result, only (Go|ours): /,
    what: "results of versions before 1.0.0 have those versions' form",
    reason: "Go's are of 1.0.0's form with an older version's number",
  },
  {
    id: "link-state",
    plugins: ["host-device"],
    lines:
      /^after (DEL, only (Go|ours)|our DEL of the other's): host (link up\d (flags|up): |qdisc \{"kind":"noqueue")/,
    what: "a device is up again on the host if it was up there",
    reason: "Go's DEL leaves it down; what Go's ADD moved there is no record of",
  },
  {
    id: "no-dad",
    plugins: ["bridge", "ptp", "tap", "dummy"],
    lines: /: (container|host) address \S+ \S+ nodad: true$/,
    what: "IPv6 addresses of a container's link, and of its gateway, can be used at once",
    reason: "nobody else could have them there; Go's ptp waits for more than a second",
  },
  {
    id: "tap-of-an-owner",
    plugins: ["tap"],
    lines:
      /^after (ADD|DEL), only (Go|ours): container (link eth0 (address|mtu|linkinfo\.info_data\.(vnet_hdr|pi))|sysctl ipv6\/conf\/eth0\/mtu): /,
    where: ({ owner, group }) => owner !== undefined && group !== undefined,
    what: "with `owner` and `group`, too, `mac` and `mtu` count, and `vnet_hdr` and `pi` are off",
    reason: "Go's then goes another way, by which it forgets both; the flags are what " +
      "whoever opens the device makes them",
  },
  {
    id: "selinux",
    plugins: ["tap"],
    lines: /^ADD: 999 .*failed set socket label.*, ours: success/s,
    where: sets("selinuxContext"),
    what: "`selinuxContext` is passed over where the kernel has no SELinux",
    reason: "the same configuration works on hosts with and without",
  },
  {
    id: "dns",
    plugins: ["macvlan", "ipvlan", "vlan", "host-device", "tap", "dummy"],
    lines: /^result, only (Go|ours): dns/,
    what: "the result has the configuration's `dns`, or else IPAM's",
    reason: "as bridge's and ptp's have; Go's others drop one of them",
  },
  {
    id: "table",
    plugins: ["portmap"],
    lines: /cni_hostport|cni_portmap/,
    what: "nftables: table `inet cni_portmap` with maps, not `cni_hostport`",
    reason: "one lookup for however many ports; [install.md](install.md#back-to-the-go-plugins) " +
      "says how to go back. What Go's made is removed, too",
  },
  {
    id: "guard",
    plugins: ["portmap"],
    lines: / host iptables4 raw /,
    what: "iptables: a rule drops what comes from outside for 127.0.0.0/8",
    reason: "route_localnet would open what listens on 127.0.0.1 to neighbours",
  },
  {
    id: "entries",
    plugins: ["portmap"],
    lines:
      /^after (ADD|DEL), only (Go|ours): host iptables[46] nat |^after our DEL of the other's: host iptables[46] nat |^after Go's DEL of the other's: host iptables[46] nat -A CNI-HOSTPORT-DNAT |^Go's CHECK of the other's: success, ours: 999 .*could not check ipv[46] dnat/s,
    where: sets("runtimeConfig.portMappings.0.hostIP"),
    what: "with `hostIP`, the rules that lead to a container's chain have its own family's ports " +
      "only, and come before those for every address",
    reason: "a port at one address goes before the same port at all; Go's CHECK misses its rule",
  },
  {
    id: "conditions",
    plugins: ["portmap"],
    lines: /^ADD: 999 .*backend was requested but configuration contains.*, ours: success/s,
    what: "without `backend`, conditions in nftables' words choose nftables",
    reason: "they can mean nothing else",
  },
  {
    id: "published",
    plugins: ["firewall"],
    lines: / filter -A CNI-FORWARD -d \S+ -m conntrack --ctstate DNAT -j ACCEPT/,
    what: "iptables: a rule for each address accepts what comes to published ports",
    reason: "where the host forwards nothing else, Go's portmap publishes in vain",
  },
  {
    id: "isolated-ports",
    plugins: ["firewall"],
    lines: / host link VETH linkinfo\.info_slave_data\.isolated: /,
    where: ({ ingressPolicy }) => ingressPolicy === "isolated",
    what: "with `isolated` the container's bridge port is isolated",
    reason: "frames that a bridge passes on by itself may meet no rules",
  },
  {
    id: "shared-chains",
    plugins: ["firewall"],
    lines: /^after DEL, only Go: host iptables[46] filter /,
    what: "chains that nobody uses any more are removed",
    reason: "the last DEL leaves the host as it was",
  },
  {
    id: "admin-chain",
    plugins: ["firewall"],
    lines: /^after our DEL of the other's: host iptables[46] filter :\S+-ADMIN -/,
    what: "an administrator's chain that Go's ADD has made stays",
    reason: "it may be the administrator's: no record says who made it",
  },
  {
    id: "families",
    plugins: ["sbr"],
    lines: /^after ADD, only Go: container route6 .*"table":"10\d"/,
    what: "an IPv4 address's table has no IPv6 routes",
    reason: "no IPv6 packet is looked up there",
  },
  {
    id: "emptied",
    plugins: ["sbr"],
    lines: /^after DEL, only Go: container route[46] .*"table":"10\d"/,
    what: "DEL empties the tables that ADD has filled",
    reason: "the next one that finds the table free must find it empty",
  },
  {
    id: "tuning-file",
    plugins: ["tuning"],
    lines: /^after ADD, only (Go|ours): file \S+\/subject_eth0\.json: /,
    what: "the file with the values from before has more keys",
    reason: "sysctls and the other end's MTU come back, too; Go's passes over them",
  },
  {
    id: "pair-mtu",
    plugins: ["tuning"],
    lines: / host (link (VETH|br0) mtu|sysctl ipv6\/conf\/(VETH|br0)\/mtu): /,
    what: "`mtu` is set on the host's end of the pair, too",
    reason: "what is larger than one end takes is dropped without a word",
  },
  {
    id: "sysctls-restored",
    plugins: ["tuning"],
    lines: /^after (DEL, only (Go|ours)|our DEL of the other's): container sysctl /,
    what: "DEL puts the sysctls back",
    reason: "a container that stays has them as before; Go's records do not have them",
  },
  {
    id: "mac-form",
    plugins: ["tuning", "tap"],
    lines:
      /^result, only (Go|ours): interfaces\.\d\.mac: |^(CHECK|Go's CHECK of the other's|our CHECK of the other's): .*current value is|^ADD: 999 .*Invalid address length.*, ours: success/s,
    what: "a MAC address is written in one form, whatever the configuration's",
    reason: "Go's tuning fails in CHECK after an ADD with `02-00-…` or `0A`, and Go's tap in ADD",
  },
  {
    id: "table-0",
    plugins: ["sbr"],
    where: sets("table"),
    lines: /^ADD: 999 .*failed to add rule: invalid argument.*, ours: success/s,
    what: "table 0 is a table that is found, as if there was none",
    reason: "Go's asks the kernel for table 0, which is none",
  },
  {
    id: "limits",
    plugins: ["bandwidth"],
    lines: /^after (DEL, only (Go|ours)|(Go's|our) DEL of the other's): host qdisc /,
    what: "DEL removes the limits of the host's end, which Go's leaves to the link's end",
    reason: "the link may stay, as it does where another plugin's DEL fails",
  },
  {
    id: "long-burst",
    plugins: ["bandwidth"],
    lines:
      /^after ADD, only (Go|ours): host qdisc \{"kind":"tbf".*"rate":1000,|CHECK .*Buffer doesn't match/s,
    what: "a burst that takes longer than the kernel can be told (275 s) is as long as that",
    reason: "Go's wraps around, and is any shorter length; CHECK sees that they differ",
  },
  {
    id: "sbr-options",
    plugins: ["sbr"],
    lines: /^/,
    where: sets("gateways", "addSourceHints", "keepMainRoutes"),
    what: "`gateways`, `addSourceHints` and `keepMainRoutes`",
    reason: "options that Go's does not have",
  },
  {
    id: "bandwidth-options",
    plugins: ["bandwidth"],
    lines: /^/,
    where: sets(
      "latency",
      "shapedSubnets",
      "unshapedSubnets",
      "runtimeConfig.bandwidth.shapedSubnets",
      "runtimeConfig.bandwidth.unshapedSubnets",
    ),
    what: "`latency`, `shapedSubnets` and `unshapedSubnets`",
    reason: "options that Go's does not have",
  },
  {
    id: "passthru",
    plugins: ["macvlan"],
    lines: /^after ADD, only ours: container link eth0 linkinfo\.info_data\.nopromisc: true/,
    where: ({ mode }) => mode === "passthru",
    what: "in mode `passthru` with IPAM the master is not made promiscuous",
    reason: "an interface with addresses of its own needs no frames for others",
  },
  {
    id: "passthru-mac",
    plugins: ["macvlan"],
    lines:
      /^(after ADD, only (Go|ours): (container link eth0|host link up0) address|result, only (Go|ours): interfaces\.0\.mac): /,
    where: ({ mode }) => mode === "passthru",
    what: "in mode `passthru`, too, a MAC address that is asked for is set",
    reason: "Go's asks for it as it makes the interface, where the kernel takes the master's",
  },
  {
    id: "bclim",
    plugins: ["macvlan"],
    lines: /^/,
    where: sets("bclim"),
    what: "`bclim`",
    reason: "an option that Go's does not have",
  },
  {
    id: "firewall-nftables",
    plugins: ["firewall"],
    lines: /^/,
    where: ({ backend }) => backend === "nftables",
    what: '`"backend": "nftables"`',
    reason: "a backend that Go's does not have",
  },
];
