/** What of the network there is on a host, as a graph: what is drawn, and what `--json` prints. */

/** An interface on the host. */
export interface HostInterface {
  name: string;
  /** `veth`, `bridge`, `vlan`, …; "" for hardware. */
  kind: string;
  up: boolean;
  /** With prefix lengths; link-local ones are left out. */
  addresses: string[];
  /** The bridge, bond or VRF that it is a port of. */
  master?: string;
  /** What it is made on. */
  parent?: string;
  /** VLANs of a bridge's port, like `5 untagged, 7-9`; absent where the bridge tells none apart. */
  vlans?: string;
  /** The host's default route leads out here. */
  isUplink: boolean;
}

/** An interface in a container. */
export interface ContainerInterface {
  name: string;
  kind: string;
  up: boolean;
  mac: string;
  addresses: string[];
  /** What it hangs on: the other end of its veth pair, or its parent, by its name on the host. */
  host?: string;
  /** The network that it is attached to, where the cache or the host end's alias tells. */
  network?: string;
  containerID?: string;
  /** Ports of the host that lead here, like `8080/tcp` or `192.0.2.1:53/udp`. */
  ports: string[];
  /** What is not as the cache says. */
  differences: string[];
}

/** A network namespace that has interfaces. */
export interface Container {
  /** The last part of its path, where it has a name; else the path. */
  name: string;
  path: string;
  interfaces: ContainerInterface[];
}

/** A host. */
export interface HostGraph {
  host: HostInterface[];
  containers: Container[];
  /** What is cached, or noted on the host, of containers that are not there. */
  differences: string[];
}
