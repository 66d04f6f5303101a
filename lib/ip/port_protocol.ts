/** The protocols that have ports, by their number in an IP header: `netinet/in.h`, IANA. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;
/** A protocol that has ports. */
export type PortProtocol = keyof typeof PROTOCOL_NUMBERS;

/** The protocol of a number in an IP header; undefined for one without ports. */
export function protocolNumbered(number: number | undefined): PortProtocol | undefined {
  for (const [name, known] of Object.entries(PROTOCOL_NUMBERS)) {
    if (known === number) return name as PortProtocol;
  }
  return undefined;
}
