/** The protocols that have ports, by their number in an IP header: `netinet/in.h`, IANA. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;
/** A protocol that has ports. */
export type PortProtocol = keyof typeof PROTOCOL_NUMBERS;
