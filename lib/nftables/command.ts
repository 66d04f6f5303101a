import type { Request } from "../nl/socket.ts";

/**
 * A change of the rule set: a message, and as its purpose the line of nft's language that it stands
 * for, by which an error names it.
 */
export type Command = Request;
