import { NetNs } from "../ns/netns.ts";
import { Rtnl } from "../rtnl/rtnl.ts";

/**
 * The two network namespaces of an attachment, with a socket in each: a socket stays in the
 * namespace that it was opened in, so that few calls have to enter one.
 */
export class Namespaces implements Disposable {
  readonly #opened = new DisposableStack();
  /** The host's: the one that the plugin runs in. */
  readonly hostNs: NetNs;
  /** A socket in the host's. */
  readonly host: Rtnl;
  /** The container's. */
  readonly sandbox: NetNs;
  /** A socket in the container's. */
  readonly inside: Rtnl;

  private constructor(path: string) {
    using opened = new DisposableStack();
    this.hostNs = opened.use(NetNs.current());
    this.sandbox = opened.use(NetNs.open(path));
    this.host = opened.use(Rtnl.open());
    this.inside = opened.use(Rtnl.open(this.sandbox));
    this.#opened = opened.move();
  }

  /**
   * Opens both.
   * @param path the container's, as CNI_NETNS names it
   * @throws {CniError} code 8 when it names no network namespace
   */
  static open(path: string): Namespaces {
    return new Namespaces(path);
  }

  /** Closes sockets and descriptors. */
  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}
