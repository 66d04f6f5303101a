/** The addresses of etcd's members, the credentials of a client, and the prefix of the keys. */
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
  /** The prefix of every key, without a slash at its end. */
  prefix: string;
  /**
   * How long this node counts as seen after a STATUS, in seconds; others are not told when absent.
   */
  nodeLease?: number;
  /** How long a call may wait for etcd in all, in milliseconds. */
  timeoutMs: number;
}
