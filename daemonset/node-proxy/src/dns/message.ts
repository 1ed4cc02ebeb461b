/**
 * DNS messages: bytes in, question out; answers in, bytes out. No I/O.
 *
 * Used by `server.ts` on a data thread. Only what a stub-facing proxy needs (RFC 1035 4.1, RFC 6891): one question is
 * read, the rest of a query is ignored except the EDNS record; A, AAAA and CNAME answers are written.
 */

/** Record types that are answered here. */
export const TYPE_A = 1;
export const TYPE_CNAME = 5;
export const TYPE_AAAA = 28;
/** Record types that the cache of replies knows: a zone's own record, and EDNS, whose "time to live" is none. */
export const TYPE_SOA = 6;
export const TYPE_OPT = 41;
const CLASS_IN = 1;

/** Response codes we send. */
export const RCODE = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4 } as const;

/** A query as far as the proxy understands it. */
export interface DnsQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  /** The question section as sent (case kept), for the reply. */
  readonly question: Buffer;
  /** UDP payload size of the EDNS record, when there is one. */
  readonly ednsPayloadBytes: number | undefined;
}

/** One answer record. */
export type DnsAnswer =
  | { readonly name: string; readonly type: typeof TYPE_A | typeof TYPE_AAAA; readonly address: Uint8Array }
  | { readonly name: string; readonly type: typeof TYPE_CNAME; readonly target: string };

/** Why bytes are no query we can answer: `drop` means not even an error reply. */
export type DnsParse =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  | { readonly kind: 'drop' }
  | { readonly kind: 'error'; readonly id: number; readonly rcode: number };

/** Reads a message that should be a query. Never throws. */
export function parseQuery(bytes: Buffer): DnsParse {
  if (bytes.length < 12) return { kind: 'drop' };
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return { kind: 'drop' };
  const opcode = (flags >> 11) & 0xf;
  if (opcode !== 0) return { kind: 'error', id, rcode: RCODE.notImp };
  if (bytes.readUInt16BE(4) !== 1) return { kind: 'error', id, rcode: RCODE.formErr };
  const name = readName(bytes, 12);
  if (name === undefined || name.next + 4 > bytes.length) return { kind: 'error', id, rcode: RCODE.formErr };
  return {
    kind: 'query',
    query: {
      id,
      opcode,
      recursionDesired: (flags & 0x0100) !== 0,
      checkingDisabled: (flags & 0x0010) !== 0,
      name: name.text.toLowerCase(),
      type: bytes.readUInt16BE(name.next),
      question: Buffer.from(bytes.subarray(12, name.next + 4)),
      ednsPayloadBytes: findEdns(bytes, name.next + 4),
    },
  };
}

/** Reply to a query. Answers beyond `limitBytes` are cut and TC is set. */
export function buildReply(
  query: DnsQuery,
  reply: { readonly rcode: number; readonly answers: readonly DnsAnswer[]; readonly ttlSeconds: number },
  limitBytes: number,
): Buffer {
  const edns = query.ednsPayloadBytes === undefined ? undefined : optRecord(Math.max(query.ednsPayloadBytes, 512));
  const room = limitBytes - 12 - query.question.length - (edns?.length ?? 0);
  const parts: Buffer[] = [];
  let used = 0;
  let truncated = false;
  for (const answer of reply.answers) {
    const record = answerRecord(answer, reply.ttlSeconds);
    if (used + record.length > room) {
      truncated = true;
      break;
    }
    used += record.length;
    parts.push(record);
  }
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.id, 0);
  const flags =
    0x8000 |
    0x0400 |
    (truncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    (reply.rcode === RCODE.noError ? 0x0080 : 0) |
    (query.checkingDisabled ? 0x0010 : 0) |
    reply.rcode;
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(parts.length, 6);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  return Buffer.concat([header, query.question, ...parts, ...(edns === undefined ? [] : [edns])]);
}

/** Error reply when the question could not be read, or not be answered. */
export function buildError(id: number, rcode: number, query?: DnsQuery): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x8000 | (query?.recursionDesired === true ? 0x0100 : 0) | rcode, 2);
  if (query === undefined) return header;
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, query.question]);
}

/** A forwarded reply that this client can take: over the limit only header and question remain, with TC set. */
export function truncated(reply: Buffer | undefined, query: DnsQuery, limitBytes: number): Buffer | undefined {
  if (reply === undefined || reply.length <= limitBytes) return reply;
  const header = Buffer.alloc(12);
  reply.copy(header, 0, 0, 4);
  header.writeUInt16BE(header.readUInt16BE(2) | 0x0200, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, query.question]);
}

/** Largest UDP reply this client takes (spec/node-proxy.md 11.1). */
export function udpLimitBytes(query: DnsQuery): number {
  return query.ednsPayloadBytes === undefined ? 4096 : Math.max(query.ednsPayloadBytes, 512);
}

/** The bytes of the first question; undefined when there is none that can be read. */
export function questionOf(bytes: Buffer): Buffer | undefined {
  const name = bytes.length < 12 ? undefined : readName(bytes, 12);
  return name === undefined || name.next + 4 > bytes.length ? undefined : bytes.subarray(12, name.next + 4);
}

/** Where one record of a reply has its parts. */
export interface DnsRecord {
  readonly type: number;
  readonly ttlSeconds: number;
  readonly ttlOffset: number;
  readonly dataOffset: number;
  readonly dataBytes: number;
}

/** The records after the question, of all sections; undefined when the message cannot be read to its end. */
export function recordsOf(bytes: Buffer): readonly DnsRecord[] | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(4) > 1) return undefined;
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  let at = 12 + (bytes.readUInt16BE(4) === 0 ? 0 : (questionOf(bytes)?.length ?? bytes.length));
  const records: DnsRecord[] = [];
  for (let index = 0; index < count; index += 1) {
    const fixed = skipName(bytes, at);
    if (fixed === undefined || fixed + 10 > bytes.length) return undefined;
    const dataBytes = bytes.readUInt16BE(fixed + 8);
    const ttlSeconds = bytes.readUInt32BE(fixed + 4);
    at = fixed + 10 + dataBytes;
    if (at > bytes.length) return undefined;
    const type = bytes.readUInt16BE(fixed);
    records.push({ type, ttlSeconds, ttlOffset: fixed + 4, dataOffset: fixed + 10, dataBytes });
  }
  return records;
}

/** The offset after a name, which may end in a pointer; the pointer is not followed. */
function skipName(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
}

function readName(bytes: Buffer, start: number): { text: string; next: number } | undefined {
  const labels: string[] = [];
  let at = start;
  let total = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined; // a question holds no compression pointers
    if (length === 0) return { text: labels.join('.'), next: at + 1 };
    total += length + 1;
    if (total > 254 || at + 1 + length > bytes.length) return undefined;
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The EDNS payload size when the additional section starts right after the question, as resolvers send it. */
function findEdns(bytes: Buffer, at: number): number | undefined {
  const hasOnlyAdditional = bytes.readUInt16BE(6) === 0 && bytes.readUInt16BE(8) === 0 && bytes.readUInt16BE(10) > 0;
  if (!hasOnlyAdditional || at + 11 > bytes.length) return undefined;
  return bytes[at] === 0 && bytes.readUInt16BE(at + 1) === TYPE_OPT ? bytes.readUInt16BE(at + 3) : undefined;
}

function optRecord(payloadBytes: number): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(TYPE_OPT, 1);
  record.writeUInt16BE(Math.min(payloadBytes, 65_535), 3);
  return record;
}

function answerRecord(answer: DnsAnswer, ttlSeconds: number): Buffer {
  const name = writeName(answer.name);
  const data = answer.type === TYPE_CNAME ? writeName(answer.target) : Buffer.from(answer.address);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(answer.type, 0);
  fixed.writeUInt16BE(CLASS_IN, 2);
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fixed, data]);
}

function writeName(name: string): Buffer {
  const parts: Buffer[] = [];
  for (const label of name.split('.')) {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length > 0) parts.push(Buffer.from([Math.min(bytes.length, 63)]), bytes.subarray(0, 63));
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}
