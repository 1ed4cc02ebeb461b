// In: bytes of a netlink socket. Out: the messages in them, and attributes of a message. Pure; lengths are the kernel's and are checked all the
// same. Called by netlink.ts and by those who read what a dump returned. Source: netlink(7).

/** Length of `struct nlmsghdr`. */
export const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** Upper bits of an attribute's type: it has attributes inside, its numbers are in network order. */
const typeMask = 0x3fff;

const aligned = (length: number): number => (length + 3) & ~3;

/** One message. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

/** The messages of one packet; what comes after a length that cannot be is left out. */
export function messagesOf(packet: Buffer): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= packet.length;) {
    const length = packet.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > packet.length) break;
    messages.push({
      type: packet.readUInt16LE(at + 4),
      flags: packet.readUInt16LE(at + 6),
      sequence: packet.readUInt32LE(at + 8),
      body: packet.subarray(at + HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** Attributes after a fixed header of so many bytes, in order: type and value; what comes after a length that cannot be is left out. */
export function attributesOf(body: Buffer, headerBytes: number): readonly (readonly [type: number, value: Buffer])[] {
  const attributes: (readonly [number, Buffer])[] = [];
  for (let at = headerBytes; at + ATTRIBUTE_HEADER_BYTES <= body.length;) {
    const length = body.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > body.length) break;
    attributes.push([body.readUInt16LE(at + 2) & typeMask, body.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length)]);
    at += aligned(length);
  }
  return attributes;
}
