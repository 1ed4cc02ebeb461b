// DNS messages as far as the cluster DNS needs them: one question in, a few records out (RFC 1035, RFC 2782). Pure.
// Untrusted input: at most 512 bytes of question are looked at; names are limited as the RFC says.

/** Record types that are answered. */
export const RECORD_TYPE = { A: 1, CNAME: 5, SOA: 6, PTR: 12, AAAA: 28, SRV: 33, ANY: 255 } as const;
/** Answer codes that are used. */
export const ANSWER_CODE = { ok: 0, badFormat: 1, noName: 3, notImplemented: 4, refused: 5 } as const;

/** The question of a query. */
export interface DnsQuestion {
  readonly id: number;
  readonly recursionDesired: boolean;
  readonly opcode: number;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  /** The raw question section, repeated in the answer. */
  readonly raw: Buffer;
}

/** One record of an answer. */
export type DnsRecord =
  | { readonly name: string; readonly type: 'A'; readonly ip: string }
  | { readonly name: string; readonly type: 'CNAME' | 'PTR'; readonly target: string }
  | { readonly name: string; readonly type: 'SRV'; readonly port: number; readonly target: string };

const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
const TTL_SECONDS = 5;

/** Reads the first question, or undefined when the message is none. */
export function parseQuestion(message: Buffer): DnsQuestion | undefined {
  if (message.length < HEADER_BYTES + 5) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) break;
    if (at + length > message.length || at - HEADER_BYTES + length > MAX_NAME_BYTES) return undefined;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  return {
    id: message.readUInt16BE(0),
    recursionDesired: (flags & 0x0100) !== 0,
    opcode: (flags >> 11) & 15,
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at),
    raw: message.subarray(HEADER_BYTES, at + 4),
  };
}

/** Builds an answer; `maxBytes` cuts it (with the truncation bit) for UDP. */
export function buildAnswer(
  question: DnsQuestion,
  code: number,
  answers: readonly DnsRecord[],
  additional: readonly DnsRecord[],
  zone: string,
  maxBytes: number,
): Buffer {
  const authority = answers.length === 0 && code !== ANSWER_CODE.refused ? [encodeSoa(zone)] : [];
  const full = assemble(question, code, answers.map(encodeRecord), authority, additional.map(encodeRecord), false);
  return full.length <= maxBytes ? full : assemble(question, code, [], [], [], true);
}

function assemble(
  question: DnsQuestion,
  code: number,
  answers: readonly Buffer[],
  authority: readonly Buffer[],
  additional: readonly Buffer[],
  truncated: boolean,
): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(question.id, 0);
  const flags = 0x8400 | (question.recursionDesired ? 0x0180 : 0x0080) | (truncated ? 0x0200 : 0) | code;
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(authority.length, 8);
  header.writeUInt16BE(additional.length, 10);
  return Buffer.concat([header, question.raw, ...answers, ...authority, ...additional]);
}

function encodeRecord(record: DnsRecord): Buffer {
  switch (record.type) {
    case 'A':
      return frame(record.name, RECORD_TYPE.A, Buffer.from(record.ip.split('.').map(Number)));
    case 'CNAME':
    case 'PTR':
      return frame(record.name, RECORD_TYPE[record.type], encodeName(record.target));
    case 'SRV': {
      const fixed = Buffer.alloc(6);
      fixed.writeUInt16BE(100, 2);
      fixed.writeUInt16BE(record.port, 4);
      return frame(record.name, RECORD_TYPE.SRV, Buffer.concat([fixed, encodeName(record.target)]));
    }
    default:
      return record satisfies never;
  }
}

function encodeSoa(zone: string): Buffer {
  const numbers = Buffer.alloc(20);
  [1, 7200, 1800, 86_400, TTL_SECONDS].forEach((value, index) => numbers.writeUInt32BE(value, index * 4));
  const data = Buffer.concat([encodeName(`ns.dns.${zone}`), encodeName(`hostmaster.${zone}`), numbers]);
  return frame(zone, RECORD_TYPE.SOA, data);
}

function frame(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(TTL_SECONDS, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name), fixed, data]);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) =>
      Buffer.concat([Buffer.from([Math.min(label.length, 63)]), Buffer.from(label.slice(0, 63), 'latin1')]),
    ),
    Buffer.from([0]),
  ]);
}
