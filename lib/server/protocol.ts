/**
 * The protocol between the resident server and its client, which is executed instead of a plugin.
 *
 * The client connects to the server's socket. Messages come in this order:
 *
 * 1. Client: the request. {@link MAGIC}, and how many bytes follow, both 32 bits in the machine's
 *    byte order; then texts that each end with a NUL: the path of the executable that it would
 *    execute without a server, and its own name and environment, as they are in its memory. With
 *    arguments it asks nobody: a request with a text that is no variable is none.
 * 2. Server: {@link ACCEPTED}, or {@link DECLINED} and the end of the connection.
 * 3. Client: {@link GO}, and with that byte standard input, output and error (`SCM_RIGHTS`, unix(7)).
 *    Until here it may close the connection at any time and execute the executable instead: the
 *    server has done nothing. From here on it must not. The streams come no earlier: descriptors
 *    on their way to a server that is stopped stay open, and a reader of the other end would wait.
 * 4. Client, at any time: the number of a signal that it received.
 * 5. Server: {@link ANSWERING}, before it writes to standard output.
 * 6. Server: {@link SUCCEEDED} or {@link FAILED}, once all is written and the three descriptors are
 *    closed.
 *
 * A connection that ends before 6 leaves the client without a status: it exits with 1, and where 5
 * has not come it prints an error object itself. A connection that the client closes before 6 means
 * that the caller is gone: the server closes the descriptors at once, and undoes an ADD.
 *
 * @module
 */

/** Where the server listens. */
export const SOCKET_PATH = "/run/cni/cni.sock";

/** `CNI` and the version of this protocol. */
export const MAGIC = 0x01494e43;

/** A request longer than this is declined. Linux gives arguments and environment 6 MB at most. Bytes. */
export const REQUEST_LIMIT = 8 * 1024 * 1024;

const byte = (character: string) => character.charCodeAt(0);

/** The server: it will serve the call. */
export const ACCEPTED = byte("M");
/** The server: the client must execute the executable. */
export const DECLINED = byte("D");
/** The client: it hands the call over, and will not execute the executable any more. */
export const GO = byte("G");
/** The server: it is about to write to standard output. */
export const ANSWERING = byte("A");
/** The server: the exit status is 0. */
export const SUCCEEDED = byte("0");
/** The server: the exit status is 1. */
export const FAILED = byte("1");

/**
 * How long the client waits for a server that runs, to read the request and to say {@link ACCEPTED}
 * together; and as long before that to be connected. Seconds.
 */
export const ACCEPT_TIMEOUT_S = 1;
/** The same, once connected, where a service manager listens and has to start the server. Seconds. */
export const START_TIMEOUT_S = 5;

/** Signals that the client forwards. signal(7) */
export const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * `CNI` and a question mark, instead of {@link MAGIC}: asks for the server's status. The length is
 * 0. The server answers with a JSON object and closes the connection.
 */
export const STATUS_MAGIC = 0x3f494e43;
