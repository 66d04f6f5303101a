import { RecordStore } from "../../../../lib/state/record_store.ts";
import { CniError } from "../../../../lib/types/error.ts";

/** Opens the store of etcd's tokens. A reboot empties it: /run is in memory. */
function tokens() {
  return new RecordStore<string>({
    directory: "/run/cni/cluster-local",
    suffix: ".token.json",
    what: "a token of etcd's",
    format: 1,
    encode: (token) => ({ token }),
    decode({ token }) {
      if (typeof token === "string") return token;
      throw new Error("it has no token");
    },
  });
}

/** Finds the token of a user at an endpoint. */
export function readToken(endpoint: string, username: string): string | undefined {
  return tokens().read(nameOf(endpoint, username));
}

/** Keeps a token. One that cannot be kept is asked for again by the next call. */
export function writeToken(endpoint: string, username: string, token: string): void {
  try {
    tokens().write(nameOf(endpoint, username), token);
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
  }
}

function nameOf(endpoint: string, username: string): string {
  return encodeURIComponent(`${endpoint} ${username}`);
}
