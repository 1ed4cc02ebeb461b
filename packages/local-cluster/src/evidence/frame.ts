// In: an Ethernet frame. Out: who sent what to whom over TCP. Pure. Called by wire.ts.

/** The TCP payload of a frame, with its addresses. */
export interface TcpSegment {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Buffer;
  /** True for the first segment of a connection (SYN without ACK). */
  readonly isOpening: boolean;
}

const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const TCP = 6;

const ipv4 = (bytes: Buffer, at: number): string => `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

/** Reads IPv4 and TCP; undefined for everything else, for fragments and for frames that are cut. */
export function tcpSegmentOf(frame: Buffer): TcpSegment | undefined {
  if (frame.length < ETHERNET_BYTES + 20 || frame.readUInt16BE(12) !== IPV4) return undefined;
  const ip = frame.subarray(ETHERNET_BYTES);
  const ipBytes = ((ip[0] ?? 0) & 0x0f) * 4;
  const totalBytes = ip.readUInt16BE(2);
  const isFragment = (ip.readUInt16BE(6) & 0x1fff) !== 0;
  if (ip[9] !== TCP || isFragment || ipBytes < 20 || totalBytes > ip.length || totalBytes < ipBytes + 20)
    return undefined;
  const tcp = ip.subarray(ipBytes, totalBytes);
  const tcpBytes = ((tcp[12] ?? 0) >> 4) * 4;
  if (tcpBytes < 20 || tcpBytes > tcp.length) return undefined;
  return {
    source: ipv4(ip, 12),
    destination: ipv4(ip, 16),
    sourcePort: tcp.readUInt16BE(0),
    destinationPort: tcp.readUInt16BE(2),
    payload: tcp.subarray(tcpBytes),
    isOpening: ((tcp[13] ?? 0) & 0x12) === 0x02,
  };
}
