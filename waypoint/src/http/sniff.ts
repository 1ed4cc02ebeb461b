/**
 * First bytes of a tunnel -> which codec reads it (spec/waypoint.md 1.5).
 * Path 4, step 4: called by hbone-in/listener.ts on the data thread. `classify` is pure; `sniff` waits for bytes.
 */
import { AGAIN, type Endpoint, EOF } from '@ambit/net';
import { type ServerName, serverNameOf } from './client-hello.ts';

/** What the inner bytes are. */
export type InnerProtocol = 'http1' | 'http2' | 'tls' | 'tcp';

/** Result of a sniff: the bytes already taken from the endpoint belong in front of what follows. */
export interface Sniffed {
  readonly protocol: InnerProtocol;
  readonly head: Buffer;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Longest method that is taken for HTTP/1. */
const maxMethodLength = 32;

/**
 * Classifies a first piece; undefined = more bytes are needed. With `httpOnly` (declared HTTP ports) everything that is
 * not the HTTP/2 preface is HTTP/1, so that the HTTP parser can answer 400 properly.
 */
export const classify = (head: Buffer, httpOnly: boolean): InnerProtocol | undefined => {
  if (head.length === 0) return undefined;
  const compared = Math.min(head.length, preface.length);
  if (head.subarray(0, compared).equals(preface.subarray(0, compared))) {
    return head.length >= preface.length ? 'http2' : undefined;
  }
  if (httpOnly) return 'http1';
  if (head[0] === 0x16) return 'tls';
  return classifyRequestLine(head);
};

/** `METHOD SP target`: an upper-case token, one space, then `/`, `*` or a letter. */
const classifyRequestLine = (head: Buffer): InnerProtocol | undefined => {
  for (let index = 0; index < Math.min(head.length, maxMethodLength + 2); index++) {
    const byte = head[index] as number;
    if ((byte >= 0x41 && byte <= 0x5a) || byte === 0x2d) continue;
    if (byte !== 0x20 || index === 0) return 'tcp';
    const next = head[index + 1];
    if (next === undefined) return undefined;
    const isTarget = next === 0x2f || next === 0x2a || (next >= 0x61 && next <= 0x7a) || (next >= 0x41 && next <= 0x5a);
    return isTarget ? 'http1' : 'tcp';
  }
  return head.length > maxMethodLength ? 'tcp' : undefined;
};

/** How to sniff. */
export interface SniffOptions {
  readonly httpOnly: boolean;
  /** Without enough bytes after this time the connection is raw TCP; undefined waits for ever. */
  readonly timeoutMs: number | undefined;
}

/** Reads until the protocol is known. Resolves undefined when the endpoint closed before a byte came. */
export const sniff = (endpoint: Endpoint, options: SniffOptions): Promise<Sniffed | undefined> =>
  new Promise((resolve) => {
    let head: Buffer = Buffer.alloc(0);
    let timer: NodeJS.Timeout | undefined;
    const settle = (protocol: InnerProtocol | undefined): void => {
      clearTimeout(timer);
      endpoint.onReadable = undefined;
      endpoint.onClose = undefined;
      resolve(protocol === undefined ? undefined : { protocol, head });
    };
    const onReadable = (): void => {
      for (;;) {
        const region = endpoint.read();
        if (region === AGAIN) return;
        if (region === EOF) {
          settle(head.length === 0 ? undefined : options.httpOnly ? 'http1' : 'tcp');
          return;
        }
        head = Buffer.concat([head, region.bytes]);
        region.release();
        const protocol = classify(head, options.httpOnly);
        if (protocol !== undefined) {
          settle(protocol);
          return;
        }
      }
    };
    endpoint.onReadable = onReadable;
    const onClose = () => settle(undefined);
    endpoint.onClose = onClose;
    if (options.timeoutMs !== undefined) timer = setTimeout(() => settle('tcp'), options.timeoutMs).unref();
    onReadable();
  });

/** Reads on until the server name of a TLS client is known; `head` is what was read before. Resolves undefined when the endpoint closed. */
export const peekServerName = (
  endpoint: Endpoint,
  head: Buffer,
  timeoutMs: number,
): Promise<{ readonly head: Buffer; readonly serverName: string | undefined } | undefined> =>
  new Promise((resolve) => {
    let read: Buffer = head;
    const settle = (found: ServerName): void => {
      clearTimeout(timer);
      endpoint.onReadable = undefined;
      endpoint.onClose = undefined;
      resolve({ head: read, serverName: found.kind === 'name' ? found.name : undefined });
    };
    const onReadable = (): void => {
      for (;;) {
        const found = serverNameOf(read);
        if (found.kind !== 'more') return settle(found);
        const region = endpoint.read();
        if (region === AGAIN) return;
        if (region === EOF) return settle(none);
        read = Buffer.concat([read, region.bytes]);
        region.release();
      }
    };
    const timer = setTimeout(() => settle(none), timeoutMs).unref();
    const onClose = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    endpoint.onClose = onClose;
    endpoint.onReadable = onReadable;
    onReadable();
  });

const none: ServerName = { kind: 'none' };
