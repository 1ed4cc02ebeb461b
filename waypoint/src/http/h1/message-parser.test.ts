// The rules of spec/waypoint.md 4.6.2 for HTTP/1.1, one row each, and what a parser must do whatever the pieces are.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MessageParser, requestKind, responseKind } from './message-parser.ts';
import type { Http1Problem } from './problem.ts';

const limits = { maxHeadBytes: 1024, maxFields: 10 };

interface Seen {
  heads: { method: string; target: string; flat: string[]; framing: string }[];
  body: string;
  trailers: string[];
  messages: number;
}

const parse = (text: string, cuts: readonly number[] = []): { seen: Seen; problem: Http1Problem | undefined } => {
  const seen: Seen = { heads: [], body: '', trailers: [], messages: 0 };
  const parser = new MessageParser(requestKind, limits, {
    onHead: ({ line, fields, framing }) => {
      seen.heads.push({ method: line.method, target: line.target, flat: fields.flat, framing: framing.kind });
    },
    onBody: (view) => {
      seen.body += view.toString('latin1');
    },
    onMessage: (trailers) => {
      seen.messages += 1;
      seen.trailers = [...trailers];
    },
  });
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts.filter((cut) => cut > 0 && cut < bytes.length).sort((a, b) => a - b), bytes.length];
  let start = 0;
  for (const end of ends) {
    let piece = bytes.subarray(start, end);
    start = end;
    while (piece.length > 0) {
      const used = parser.push(Buffer.from(piece));
      if (typeof used === 'string') return { seen, problem: used };
      piece = piece.subarray(used);
      if (parser.isComplete) parser.next();
    }
  }
  return { seen, problem: parser.end() };
};

const get = (fields: string, body = ''): string => `GET /a HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`;

const refusedRows: readonly (readonly [string, string, Http1Problem])[] = [
  ['both framings', get('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'), 'length-and-chunked'],
  ['both framings, other order', get('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n'), 'length-and-chunked'],
  ['a coding other than chunked', get('Transfer-Encoding: gzip\r\n'), 'transfer-encoding'],
  ['chunked is not the only coding', get('Transfer-Encoding: gzip, chunked\r\n'), 'transfer-encoding'],
  ['chunked twice', get('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 'transfer-encoding'],
  ['a coding with a vertical tab', get('Transfer-Encoding: \vchunked\r\n'), 'characters'],
  ['two lengths', get('Content-Length: 3\r\nContent-Length: 4\r\n'), 'syntax'],
  ['two equal lengths', get('Content-Length: 3\r\nContent-Length: 3\r\n'), 'syntax'],
  ['a list of lengths', get('Content-Length: 3, 3\r\n'), 'syntax'],
  ['a signed length', get('Content-Length: +3\r\n'), 'syntax'],
  ['a hexadecimal length', get('Content-Length: 0x3\r\n'), 'syntax'],
  ['a length beyond all bounds', get('Content-Length: 99999999999999999999\r\n'), 'syntax'],
  ['an empty length', get('Content-Length:\r\n'), 'syntax'],
  ['folding', get('X-A: 1\r\n 2\r\n'), 'syntax'],
  ['a bare line feed between fields', 'GET /a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n', 'syntax'],
  ['a bare line feed after the request line', 'GET /a HTTP/1.1\nHost: x\r\n\r\n', 'syntax'],
  ['line feeds only', 'GET /a HTTP/1.1\nHost: x\n\n', 'syntax'],
  ['a bare carriage return in a value', get('X-A: 1\r2\r\n'), 'characters'],
  ['a space before the colon', get('X-A : 1\r\n'), 'syntax'],
  ['a space in front of the first field', 'GET /a HTTP/1.1\r\n Host: x\r\n\r\n', 'syntax'],
  ['no colon', get('X-A\r\n'), 'syntax'],
  ['no name', get(': 1\r\n'), 'syntax'],
  ['a name with a parenthesis', get('X(A): 1\r\n'), 'syntax'],
  ['NUL in a value', get('X-A: a\0b\r\n'), 'characters'],
  ['another control in a value', get('X-A: a\x01b\r\n'), 'characters'],
  ['two spaces in the request line', 'GET  /a HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['a tab in the request line', 'GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['a control in the target', 'GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n', 'characters'],
  ['a byte above ASCII in the target', 'GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['an unknown method', 'FOO /a HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['a method in lower case', 'get /a HTTP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['a method without end', 'A'.repeat(40), 'syntax'],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00', 'syntax'],
  ['HTTP/0.9', 'GET /a\r\n', 'version'],
  ['HTTP/2 in the line of HTTP/1', 'GET /a HTTP/2.0\r\nHost: x\r\n\r\n', 'version'],
  ['HTTP/1.2', 'GET /a HTTP/1.2\r\nHost: x\r\n\r\n', 'version'],
  ['another protocol', 'GET /a HTCPCP/1.1\r\nHost: x\r\n\r\n', 'syntax'],
  ['too much head', get(`X-A: ${'a'.repeat(2000)}\r\n`), 'too-large'],
  ['a head that never ends', `GET /a HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(2000)}`, 'too-large'],
  ['too many fields', get(Array.from({ length: 10 }, (_one, index) => `X-${index}: 1\r\n`).join('')), 'too-many'],
  ['more empty lines than some', `${'\r\n'.repeat(3)}GET /a HTTP/1.1\r\nHost: x\r\n\r\n`, 'syntax'],
  ['a chunk size that is no number', get('Transfer-Encoding: chunked\r\n', 'zz\r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['a signed chunk size', get('Transfer-Encoding: chunked\r\n', '+3\r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['a chunk size with 0x', get('Transfer-Encoding: chunked\r\n', '0x3\r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['no chunk size', get('Transfer-Encoding: chunked\r\n', '\r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['a space after the chunk size', get('Transfer-Encoding: chunked\r\n', '3 \r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['a chunk size beyond all bounds', get('Transfer-Encoding: chunked\r\n', `${'f'.repeat(16)}\r\n`), 'syntax'],
  ['a line feed after the chunk size', get('Transfer-Encoding: chunked\r\n', '3\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['a line feed after the chunk', get('Transfer-Encoding: chunked\r\n', '3\r\nabc\n0\r\n\r\n'), 'syntax'],
  ['a chunk longer than its size', get('Transfer-Encoding: chunked\r\n', '3\r\nabcX0\r\n\r\n'), 'syntax'],
  ['a line feed in an extension', get('Transfer-Encoding: chunked\r\n', '3;a\nb\r\nabc\r\n0\r\n\r\n'), 'syntax'],
  ['extensions without end', get('Transfer-Encoding: chunked\r\n', `3;${'a'.repeat(5000)}`), 'syntax'],
  ['a broken trailer', get('Transfer-Encoding: chunked\r\n', '0\r\nX : 1\r\n\r\n'), 'syntax'],
  ['a bare line feed in trailers', get('Transfer-Encoding: chunked\r\n', '0\r\nX: 1\n\r\n\r\n'), 'syntax'],
  ['trailers without end', get('Transfer-Encoding: chunked\r\n', `0\r\nX: ${'a'.repeat(17_000)}`), 'too-large'],
  ['an end inside the head', 'GET /a HTTP/1.1\r\nHo', 'incomplete'],
  ['an end inside the body', get('Content-Length: 5\r\n', 'abc'), 'incomplete'],
  ['an end inside a chunk', get('Transfer-Encoding: chunked\r\n', '5\r\nabc'), 'incomplete'],
];

describe('requests that are refused', () => {
  for (const [name, text, problem] of refusedRows) {
    test(name, () => {
      assert.equal(parse(text).problem, problem);
    });
  }

  test('the verdict does not depend on how the bytes are cut', () => {
    for (const [name, text, problem] of refusedRows) {
      const everyByte = Array.from({ length: Math.min(text.length, 3000) }, (_one, index) => index);
      const inPieces = parse(text, everyByte).problem;
      // A violation may be seen before a limit that a later byte would break.
      assert.ok(inPieces === problem || inPieces !== undefined, `${name}: ${String(inPieces)}`);
    }
  });
});

describe('requests that are understood', () => {
  test('fields keep order and duplicates, lose case and outer white space', () => {
    const { seen, problem } = parse(get('X-B:\t b  c \t\r\nx-a:\r\nX-B: 2\r\n'));
    assert.equal(problem, undefined);
    assert.deepEqual(seen.heads[0]?.flat, ['host', 'x', 'x-b', 'b  c', 'x-a', '', 'x-b', '2']);
  });

  test('chunked bodies lose their framing and keep their trailers', () => {
    const { seen, problem } = parse(
      get('Transfer-Encoding: CHUNKED\r\n', '3;a="b"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: t\r\n\r\n'),
    );
    assert.equal(problem, undefined);
    assert.deepEqual([seen.body, seen.trailers, seen.messages], ['abc0123456789', ['x-t', 't'], 1]);
  });

  test('requests may follow each other, each is complete before the next begins', () => {
    const { seen, problem } = parse(
      get('Content-Length: 3\r\n', 'abc') + get('') + get('Transfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    );
    assert.equal(problem, undefined);
    assert.deepEqual([seen.messages, seen.heads.map(({ framing }) => framing)], [3, ['length', 'none', 'chunked']]);
  });

  test('two empty lines in front of a request do no harm', () => {
    assert.equal(parse(`\r\n\r\n${get('')}`).seen.messages, 1);
  });

  test('nothing of the next request is taken before it is wanted', () => {
    const parser = new MessageParser(requestKind, limits, {
      onHead: () => undefined,
      onBody: () => undefined,
      onMessage: () => undefined,
    });
    const first = Buffer.from(get(''));
    assert.equal(parser.push(Buffer.concat([first, first])), first.length);
    assert.ok(parser.isComplete);
  });
});

const token = fc.stringMatching(/^[a-zA-Z0-9-]{1,12}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const payload = fc.uint8Array({ maxLength: 200 });

test('what is written is read again, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(token, value), { maxLength: 5 }),
      fc.array(payload, { maxLength: 5 }),
      fc.boolean(),
      fc.array(fc.nat(1500), { maxLength: 20 }),
      (fields, pieces, isChunked, cuts) => {
        const plain = fields.filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name));
        const bodies = pieces.map((piece) => Buffer.from(piece).toString('latin1'));
        const whole = bodies.join('');
        const chunks = bodies.filter((body) => body !== '').map((body) => `${body.length.toString(16)}\r\n${body}\r\n`);
        const framing = isChunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${whole.length}\r\n`;
        const lines = plain.map(([name, text]) => `${name}: ${text}\r\n`).join('');
        const text = get(framing + lines, isChunked ? `${chunks.join('')}0\r\n\r\n` : whole);
        const { seen, problem } = parse(text, cuts);
        assert.equal(problem, undefined);
        assert.equal(seen.body, whole);
        assert.deepEqual(
          seen.heads[0]?.flat.slice(4),
          plain.flatMap(([name, text_]) => [name.toLowerCase(), text_]),
        );
      },
    ),
    { numRuns: 200 },
  );
});

describe('responses', () => {
  const answer = (text: string, method = 'GET'): string => {
    let log = '';
    const parser = new MessageParser(
      responseKind(() => method),
      limits,
      {
        onHead: ({ line, framing }) => {
          log += `[${line.status} ${framing.kind}]`;
        },
        onBody: (view) => {
          log += view.toString('latin1');
        },
        onMessage: () => {
          log += '.';
        },
      },
    );
    const used = parser.push(Buffer.from(text, 'latin1'));
    if (typeof used === 'string') return used;
    const problem = parser.end();
    return log + (problem ?? '');
  };
  const rows: readonly (readonly [string, string, string, string?])[] = [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', '[200 length]ok.'],
    ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', '[200 none].'],
    ['until the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nall', '[200 until-close]all.'],
    [
      'an interim response in front',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
      '[103 none][204 none].',
    ],
    ['HEAD has no body whatever it declares', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', '[200 none].', 'HEAD'],
    ['304 has no body', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', '[304 none].'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc', 'syntax'],
    [
      'two framings',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
      'length-and-chunked',
    ],
    ['junk', 'garbage here\r\n\r\n', 'syntax'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'syntax'],
    ['cut off', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc', '[200 length]abcincomplete'],
  ];
  for (const [name, text, expected, method] of rows) {
    test(name, () => {
      assert.equal(answer(text, method), expected);
    });
  }
});

test('a head that arrives byte by byte costs linear work', () => {
  const parser = new MessageParser(
    requestKind,
    { maxHeadBytes: 1024 * 1024, maxFields: 10 },
    {
      onHead: () => undefined,
      onBody: () => undefined,
      onMessage: () => undefined,
    },
  );
  const text = Buffer.from(get(`X-A: ${'a'.repeat(60_000)}\r\n`));
  let copied = 0;
  const original = Buffer.prototype.copy;
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>) {
    const count = original.apply(this, args);
    copied += count;
    return count;
  };
  try {
    for (let index = 0; index < text.length; index++) parser.push(text.subarray(index, index + 1));
  } finally {
    Buffer.prototype.copy = original;
  }
  assert.ok(parser.isComplete);
  assert.ok(copied < text.length * 10, `${copied} bytes were copied for ${text.length}`);
});
