import type { Attachment } from "../../../../lib/types/attachment.ts";
import type { ClientConfig } from "../protocol.ts";
import { Option } from "./options.ts";

/** A client's identity, and the options that it asks for. */
export interface ClientIdentity {
  /** Option 61. */
  clientId: Uint8Array;
  /** More options for every DISCOVER and REQUEST. */
  provide: ReadonlyMap<number, Uint8Array>;
  /** Option 55. */
  parameters: readonly number[];
  /** The metric of every route. */
  priority?: number;
}

/** An attachment's identity: the client identifier is the Go plugin's, so that addresses stay. */
export function clientIdentity(attachment: Attachment, config: ClientConfig): ClientIdentity {
  const { containerId, network, ifName } = attachment;
  const encode = (value: string) => new TextEncoder().encode(value);
  const name = encode(`${containerId}/${network}/${ifName}`).subarray(0, 254);
  const provide = new Map(config.provide.map(([code, value]) => [code, encode(value)]));
  const clientId = provide.get(Option.clientId) ?? Uint8Array.of(0, ...name);
  provide.delete(Option.clientId);
  return { clientId, provide, parameters: config.request, priority: config.priority };
}
