/** Where etcd is, and how a client proves who it is. */
export interface EtcdSettings {
  /** URLs of members, tried in this order. */
  endpoints: string[];
  /** Certificates of the authorities that vouch for the members: the path of a PEM file. */
  caFile?: string;
  /** The certificate that the transport is secured with: the path of a PEM file. */
  certFile?: string;
  /** Its private key: the path of a PEM file. */
  keyFile?: string;
  /** A user of etcd. */
  username?: string;
  /** The path of a file with the user's password. */
  passwordFile?: string;
  /** The password itself, as whereabouts' configurations have it. */
  password?: string;
  /** What every key begins with, without a slash at its end. */
  prefix: string;
  /** How long others know that this node was seen, in seconds; nothing is told when absent. */
  nodeLease?: number;
  /** How long a call may wait for etcd in all, in milliseconds. */
  timeoutMs: number;
}
