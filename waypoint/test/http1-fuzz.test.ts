/**
 * Fuzzer of the HTTP/1.1 codec: mutations of a smuggling corpus, cut at random, against four promises. Whatever arrives, the
 * parser neither throws nor hangs; how bytes are cut changes nothing; what it accepts and we write again is one request with
 * the same meaning, for our own parser and for Node's. AMBIT_FUZZ_SECONDS sets the time, default 8.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { HeaderList, removeHopByHop } from '@ambit/l7';
import { MessageParser, requestKind, responseKind } from '../src/http/h1/message-parser.ts';
import { lastChunk, requestHead } from '../src/http/h1/write-head.ts';

const seconds = Number(process.env['AMBIT_FUZZ_SECONDS'] ?? 8);
const limits = { maxHeadBytes: 8 * 1024, maxFields: 50 };

interface Request {
  readonly method: string;
  readonly target: string;
  readonly flat: string[];
  readonly isChunked: boolean;
  body: string;
  isWhole: boolean;
}

interface Outcome {
  readonly requests: Request[];
  readonly problem: string | undefined;
}

const parseRequests = (pieces: readonly Buffer[]): Outcome => {
  const requests: Request[] = [];
  const parser = new MessageParser(requestKind, limits, {
    onHead: ({ line, fields, framing }) => {
      const isChunked = framing.kind === 'chunked';
      requests.push({ ...line, flat: fields.flat, isChunked, body: '', isWhole: false });
    },
    onBody: (view) => {
      (requests.at(-1) as Request).body += view.toString('latin1');
    },
    onMessage: () => {
      (requests.at(-1) as Request).isWhole = true;
    },
  });
  for (let piece of pieces) {
    while (piece.length > 0) {
      const used = parser.push(piece);
      if (typeof used === 'string') return { requests, problem: used };
      assert.ok(used > 0 || parser.isComplete, 'the parser makes progress');
      piece = piece.subarray(used);
      if (parser.isComplete) parser.next();
    }
  }
  return { requests, problem: parser.end() };
};

const corpus: readonly string[] = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: v\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello!',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello',
  'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x, content-length\r\nContent-Length: 0\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
  'GET / HTTP/1.0\r\n\r\n',
  '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
];

const tokens = [
  '\r\n', '\n', '\r', ' ', '\t', '\0', '\v', ':', ',', ';', '0\r\n\r\n', '\r\n\r\n', 'chunked', 'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n', 'Connection: ', 'HTTP/1.1', 'HTTP/1.0', 'GET / ', '\xff', '0x', '-', '+', 'f'.repeat(20),
]; // prettier-ignore

/** A small generator with a seed, so that a failure can be run again. */
const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const mutate = (random: (below: number) => number): Buffer => {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  let text = pick(corpus);
  for (let count = random(4); count > 0; count--) {
    const at = random(text.length + 1);
    switch (random(5)) {
      case 0:
        text = text.slice(0, at) + pick(tokens) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + 1 + random(4));
        break;
      case 2:
        text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
        break;
      case 3:
        text += pick(corpus);
        break;
      default:
        text = text.slice(0, at) + text.slice(random(text.length + 1));
    }
  }
  return Buffer.from(text, 'latin1');
};

const cut = (bytes: Buffer, random: (below: number) => number): Buffer[] => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random(12));
    pieces.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return pieces;
};

/** The request as our client would write it for a backend. */
const rewritten = (request: Request): string | undefined => {
  const headers = HeaderList.fromLower([...request.flat]);
  const host = headers.get('host');
  if (host === undefined || headers.getAll('host').length > 1 || !request.target.startsWith('/')) return undefined;
  if (!removeHopByHop(headers, 'request') || request.method === 'CONNECT') return undefined;
  headers.remove('host');
  headers.remove('expect');
  const hasLength = headers.has('content-length');
  if (request.isChunked) headers.append('transfer-encoding', 'chunked');
  if (request.body !== '' && !request.isChunked && !hasLength) return 'a body without framing';
  const head = requestHead(request.method, request.target, host, headers);
  if (!request.isChunked) return head + request.body;
  const chunk = request.body === '' ? '' : `${request.body.length.toString(16)}\r\n${request.body}\r\n`;
  return head + chunk + lastChunk([]);
};

/** A connection in memory. */
class Wire extends Duplex {
  override _read(): void {
    // what is written to `push` comes out
  }
  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}

interface Judge {
  /** What Node's strict parser makes of bytes. */
  read(text: string): Promise<{ readonly seen: string[]; readonly isBroken: boolean }>;
  close(): void;
}

const nodeJudge = (): Judge => {
  const seen = new Map<object, string[]>();
  const broken = new WeakSet<object>();
  const server: Server = createServer({ requireHostHeader: false }, (request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => {
      body += piece.toString('latin1');
    });
    request.on('end', () => {
      seen.get(request.socket)?.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`);
      response.end();
    });
  });
  server.on('clientError', (_error, socket) => broken.add(socket));
  return {
    read: async (text) => {
      const wire = new Wire();
      const list: string[] = [];
      seen.set(wire, list);
      server.emit('connection', wire);
      wire.push(Buffer.from(text, 'latin1'));
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
      seen.delete(wire);
      const isBroken = broken.has(wire);
      wire.destroy();
      return { seen: list, isBroken };
    },
    close: () => {
      server.close();
    },
  };
};

test('requests: mutations of a smuggling corpus', { timeout: (seconds + 60) * 1000 }, async () => {
  const deadline = performance.now() + seconds * 1000;
  const judge = nodeJudge();
  const start = Math.floor(Math.random() * 2 ** 31);
  let runs = 0;
  let judged = 0;
  for (; performance.now() < deadline; runs++) {
    const seed = start + runs;
    const random = randomFrom(seed);
    const bytes = mutate(random);
    const say = (what: string): string => `${what}; seed ${seed}: ${JSON.stringify(bytes.toString('latin1'))}`;
    const whole = parseRequests([Buffer.from(bytes)]);
    const pieces = parseRequests(cut(bytes, random));
    const complete = ({ requests }: Outcome): Request[] => requests.filter(({ isWhole }) => isWhole);
    assert.equal(whole.problem === undefined, pieces.problem === undefined, say('the verdict depends on the cuts'));
    assert.deepEqual(complete(pieces), complete(whole), say('the requests depend on the cuts'));
    for (const request of complete(whole)) {
      const text = rewritten(request);
      if (text === undefined) continue;
      const again = parseRequests([Buffer.from(text, 'latin1')]);
      assert.equal(again.problem, undefined, say('what we write is not well-formed'));
      assert.equal(again.requests.length, 1, say('one request became several'));
      assert.equal(again.requests[0]?.body, request.body, say('the body changed'));
      if (runs % 20 !== 0) continue;
      judged += 1;
      const node = await judge.read(text);
      const expected = node.isBroken ? [] : [`${request.method} ${request.target} ${request.body}`];
      assert.deepEqual(node.seen, expected, say('Node reads it differently'));
    }
  }
  judge.close();
  process.stdout.write(`fuzz http1 requests: ${runs} runs, ${judged} judged by Node, first seed ${start}\n`);
  assert.ok(runs > 100 && judged > 5);
});

test('responses: bytes of any kind neither throw nor depend on how they are cut', () => {
  const seeds = [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.0 404\r\n\r\nuntil close',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
  ];
  const read = (pieces: readonly Buffer[]): string => {
    let log = '';
    const parser = new MessageParser(
      responseKind(() => 'GET'),
      limits,
      {
        onHead: ({ line }) => {
          log += `[${line.status}]`;
        },
        onBody: (view) => {
          log += view.toString('latin1');
        },
        onMessage: () => {
          log += '.';
        },
      },
    );
    for (let piece of pieces) {
      while (piece.length > 0) {
        const used = parser.push(piece);
        if (typeof used === 'string') return `${log}!`;
        piece = piece.subarray(used);
        if (parser.isComplete) parser.next();
      }
    }
    const problem = parser.end();
    return problem === undefined ? log : `${log}!`;
  };
  const deadline = performance.now() + (seconds * 1000) / 4;
  const start = Math.floor(Math.random() * 2 ** 31);
  for (let runs = 0; performance.now() < deadline; runs++) {
    const random = randomFrom(start + runs);
    let text = seeds[random(seeds.length)] as string;
    for (let count = random(4); count > 0; count--) {
      const at = random(text.length + 1);
      text = text.slice(0, at) + (tokens[random(tokens.length)] as string) + text.slice(at + random(3));
    }
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(read(cut(bytes, random)), read([bytes]), `seed ${start + runs}: ${JSON.stringify(text)}`);
  }
});
