import { CniError, ErrorCode } from "../../../../lib/types/error.ts";

/**
 * No answer came from any member, or none that says what became of a request: a change that was
 * asked for may have been made, or may still be.
 */
export class EtcdUnavailable extends CniError {
  /** @param reasons the last error of each endpoint */
  constructor(reasons: Iterable<string>) {
    super(
      ErrorCode.tryAgainLater,
      `etcd does not answer: ${[...reasons].join("; ")}; see that it runs, that most of its ` +
        "members have a leader, and that this node reaches one; then try again",
    );
  }
}

/** An error that the gateway answers with. `google.golang.org/grpc/codes` */
export interface Refusal {
  code: number;
  message: string;
}

/** The codes of gRPC that are told apart here. */
export const Grpc = {
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  unauthenticated: 16,
} as const;

/** Makes the error of a request that etcd would refuse again; undefined where it may succeed. */
export function permanentError(
  { code, message }: Refusal,
  endpoint: string,
  username: string | undefined,
): CniError | undefined {
  const said = `etcd at ${endpoint} refuses: ${message}`;
  if (code === Grpc.permissionDenied) {
    return CniError.invalidConfig(
      `${said}; the role of user ${username ?? "(none)"} needs readwrite permission for the prefix`,
    );
  }
  if (code === Grpc.resourceExhausted && message.includes("space exceeded")) {
    return CniError.tryAgainLater(
      `${said}; compact and defragment it, then "etcdctl alarm disarm", or raise ` +
        "--quota-backend-bytes",
    );
  }
  if (message.includes("user name is empty")) {
    return CniError.invalidConfig(
      `${said}: it has authentication on, and "etcd" has no "username". A certificate secures the ` +
        "transport and is no user to etcd's gateway: set username and passwordFile",
    );
  }
  if (code === Grpc.invalidArgument || code === Grpc.unauthenticated) {
    return CniError.invalidConfig(`${said}; see "username" and its password`);
  }
  return undefined;
}
