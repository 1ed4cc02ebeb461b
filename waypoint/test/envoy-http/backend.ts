/**
 * The backend of the recordings: a raw TCP server that reads one whole HTTP/1.1 request after the other and answers by path
 * prefix, as golden envoy-http/README.md describes. Keeps the exact bytes it received.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';

/** A running backend. */
export interface Backend {
  readonly port: number;
  /** Every request as received, in order of arrival; grows while bytes come. */
  readonly requests: { text: string }[];
  close(): void;
}

/** Starts it on a port of the kernel's choice. */
export const startBackend = async (name: string): Promise<Backend> => {
  const requests: { text: string }[] = [];
  const sockets = new Set<Socket>();
  let flaky = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    serve(socket, name, requests, () => ++flaky);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    requests,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

const serve = (socket: Socket, name: string, requests: { text: string }[], hit: () => number): void => {
  let pending = '';
  let current: { text: string } | undefined;
  let upgraded = false;
  let isForeign = false;
  socket.on('data', (chunk) => {
    const text = chunk.toString('latin1');
    if (isForeign) return; // what is no HTTP/1 gets one answer
    isForeign = text.startsWith('PRI ');
    if (upgraded) {
      socket.write(`echo:${text}`, 'latin1');
      return;
    }
    pending += text;
    if (current === undefined) requests.push((current = { text: '' }));
    current.text = pending;
    for (let length = lengthOf(pending); length !== undefined; length = lengthOf(pending)) {
      const whole = pending.slice(0, length);
      if (current === undefined) requests.push((current = { text: whole }));
      current.text = whole;
      pending = pending.slice(length);
      current = undefined;
      if (isForeign) pending = '';
      upgraded = answer(socket, whole, name, hit);
    }
  });
};

/** Length of the first whole request in `text`; undefined while it is not whole. */
const lengthOf = (text: string): number | undefined => {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = text.slice(0, end).toLowerCase();
  const body = end + 4;
  const known = /\r\ncontent-length: *(\d+)/.exec(head);
  if (/\r\ntransfer-encoding: *chunked/.test(head)) {
    const last = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(text.slice(body));
    return last === null ? undefined : body + last.index + last[0].length;
  }
  const length = body + Number(known?.[1] ?? 0);
  return text.length < length ? undefined : length;
};

const ok = (name: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: ${name}\r\nX-Secret: s\r\nContent-Length: 3\r\n\r\nok\n`;

/** Answers; true when the connection now belongs to a websocket. */
const answer = (socket: Socket, request: string, name: string, hit: () => number): boolean => {
  const path = request.split(' ')[1] ?? '/';
  const is = (prefix: string): boolean => path.startsWith(prefix);
  const write = (text: string): boolean => socket.write(text, 'latin1');
  const key = /\r\nsec-websocket-key: *(\S+)/i.exec(request)?.[1];
  if (key !== undefined && (is('/ws') || is('/ok'))) {
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    return true;
  }
  const busy = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\n\r\nsorry\n';
  if (is('/delay') || is('/maxstream') || is('/idle')) setTimeout(() => write(ok(name)), 600);
  else if (is('/s503')) write(busy);
  else if (is('/flaky')) write(hit() <= 2 ? busy : ok(name));
  else if (is('/close')) socket.end();
  else if (is('/junk')) socket.end('garbage here\r\n\r\n');
  else if (is('/half')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789');
  else if (is('/chunk')) {
    write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n');
    write('5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-T: t\r\n\r\n');
  } else if (is('/bighdr')) write(`HTTP/1.1 200 OK\r\nX-Big: ${'b'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`);
  else if (is('/upgrade101'))
    write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  else if (is('/early')) write(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${ok(name)}`);
  else if (is('/hop')) socket.end(hopResponse(name));
  else if (is('/dupcl')) write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc');
  else if (is('/nolen')) socket.end('HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil close');
  else if (is('/te'))
    write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
  else write(ok(name));
  return false;
};

const hopResponse = (name: string): string =>
  [
    'HTTP/1.1 200 OK',
    'Content-Type: text/plain',
    `X-Backend: ${name}`,
    'X-Secret: s',
    'Connection: close, X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Server: be/1',
    'Date: Sat, 01 Jan 2000 00:00:00 GMT',
    'Via: 1.0 be',
    'X-Upper: V',
    'Content-Length: 3',
    '',
    'ok\n',
  ].join('\r\n');
