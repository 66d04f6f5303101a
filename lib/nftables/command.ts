import type { NetlinkRequest } from "../nl/socket.ts";

/**
 * A command that changes the rule set: a message, whose purpose is the same command in nft's
 * language, for errors.
 */
export type Command = NetlinkRequest;
