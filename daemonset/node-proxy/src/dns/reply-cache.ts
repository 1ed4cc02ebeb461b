/**
 * Replies of upstream resolvers in; the same replies out for as long as their records live. No I/O.
 *
 * One per pod on each data thread, used by `forward.ts` (spec/node-proxy.md 11.6). A reply is kept under the whole query but
 * its id, so that a client gets what was answered to exactly its flags and EDNS options. What cannot be read to the end,
 * was cut, or has no time to live is not kept.
 */
import { LRUCache } from 'lru-cache';
import { questionOf, recordsOf, TYPE_OPT, TYPE_SOA } from './message.ts';

/** Bytes of replies kept per pod and data thread; the least used go first. */
const MAX_BYTES = 4 * 1024 * 1024;
/** What a reply counts at least, so that no more than 8,192 are kept, as upstream. */
const MIN_REPLY_BYTES = 512;
/** A longer time to live is cut to this: a day. */
const MAX_TTL_SECONDS = 86_400;

interface Kept {
  readonly reply: Buffer;
  readonly atMs: number;
  readonly ttlSeconds: number;
  /** Where the times to live are; they count down. */
  readonly ttlOffsets: readonly number[];
}

/** The cache. */
export interface ReplyCache {
  /** The reply to this query with its id and the spelling of its question; undefined when there is none or it is too old. */
  get(query: Buffer): Buffer | undefined;
  /** Keeps a reply when it may be kept. */
  put(query: Buffer, reply: Buffer): void;
}

/** Makes an empty cache. `now` in milliseconds. */
export function createReplyCache(now: () => number = performance.now.bind(performance)): ReplyCache {
  // Without `max`, for which the library would take its memory at once: about 300 KB for a pod that never asks.
  const kept = new LRUCache<string, Kept>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ reply }, key) => Math.max(MIN_REPLY_BYTES, reply.length + key.length),
  });
  return {
    get(query) {
      const key = keyOf(query);
      const found = key === undefined ? undefined : kept.get(key);
      if (found === undefined || key === undefined) return undefined;
      const ageSeconds = Math.floor((now() - found.atMs) / 1000);
      if (ageSeconds < found.ttlSeconds) return asReplyTo(query, found, ageSeconds);
      kept.delete(key);
      return undefined;
    },
    put(query, reply) {
      const key = keyOf(query);
      const lifetime = lifetimeOf(reply);
      if (key === undefined || lifetime === undefined) return;
      kept.set(key, { reply, atMs: now(), ...lifetime });
    },
  };
}

function keyOf(query: Buffer): string | undefined {
  const question = questionOf(query);
  if (question === undefined) return undefined;
  const flagsAndCounts = query.toString('latin1', 2, 12);
  return `${flagsAndCounts}${question.toString('latin1').toLowerCase()}${query.toString('latin1', 12 + question.length)}`;
}

// Clients compare the question byte by byte, also the case of its letters.
function asReplyTo(query: Buffer, { reply, ttlOffsets }: Kept, ageSeconds: number): Buffer {
  const copy = Buffer.from(reply);
  query.copy(copy, 0, 0, 2);
  const asked = questionOf(query);
  if (asked !== undefined && copy.readUInt16BE(4) === 1) asked.copy(copy, 12);
  for (const at of ttlOffsets) copy.writeUInt32BE(Math.max(0, reply.readUInt32BE(at) - ageSeconds), at);
  return copy;
}

/** How long a reply lives: its shortest record, or what the zone says about names and records that are not there (RFC 2308 5). */
function lifetimeOf(reply: Buffer): Pick<Kept, 'ttlSeconds' | 'ttlOffsets'> | undefined {
  const flags = reply.length < 12 ? 0xffff : reply.readUInt16BE(2);
  const rcode = flags & 0xf;
  const isCut = (flags & 0x0200) !== 0;
  const records = isCut || (rcode !== 0 && rcode !== 3) ? undefined : recordsOf(reply);
  if (records === undefined) return undefined;
  const timed = records.filter(({ type }) => type !== TYPE_OPT);
  const isNegative = rcode === 3 || reply.readUInt16BE(6) === 0;
  const soa = timed.find(({ type }) => type === TYPE_SOA);
  if (isNegative && (soa === undefined || soa.dataBytes < 20)) return undefined;
  const ttls = timed.map(({ ttlSeconds }) => ttlSeconds);
  if (isNegative && soa !== undefined) ttls.push(reply.readUInt32BE(soa.dataOffset + soa.dataBytes - 4));
  const ttlSeconds = Math.min(MAX_TTL_SECONDS, ...ttls);
  return ttlSeconds > 0 ? { ttlSeconds, ttlOffsets: timed.map(({ ttlOffset }) => ttlOffset) } : undefined;
}
