/** The network of a host as a graph, which is drawn, and printed by `--json`. */

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
  /** Its parent: `ip link … link PARENT`. */
  parent?: string;
  /** VLANs of a bridge's port, like `5 untagged, 7-9`; absent without VLAN filtering. */
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
  /** The interface of the host that it is on: its veth peer, or its parent. */
  host?: string;
  /** The network that it is attached to, where the cache or the host end's alias tells. */
  network?: string;
  containerID?: string;
  /** Ports of the host that lead here, like `8080/tcp` or `192.0.2.1:53/udp`. */
  ports: string[];
  /** Differences from the cache. */
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
  /** Attachments that are cached, or named by a link's alias, and that no container has. */
  differences: string[];
}
