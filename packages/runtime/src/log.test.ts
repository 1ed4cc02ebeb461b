import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createLineWriter } from './line-writer.ts';
import { createLogger, parseLogFilter } from './log.ts';
import { formatJson, formatPlain, rfc3339Micros, unquoted } from './log-format.ts';

const AT = Date.UTC(2026, 7, 20, 10, 0, 0) + 0.001;

function recording(level: string, format: 'plain' | 'json' = 'plain') {
  const lines: string[] = [];
  const log = createLogger({ level, format, scope: 'ztunnel', now: () => AT, write: (line) => lines.push(line) });
  return { log, lines };
}

test('a plain line has five columns, quotes texts and leaves addresses bare', () => {
  const { log, lines } = recording('info');
  log.child('access').info('connection complete', {
    'src.addr': unquoted('10.1.0.5:40222'),
    'src.workload': 'web-1',
    bytes_sent: 3,
    nothing: undefined,
  });
  assert.deepEqual(lines, [
    '2026-08-20T10:00:00.000001Z\tinfo\taccess\tconnection complete\tsrc.addr=10.1.0.5:40222 src.workload="web-1" bytes_sent=3',
  ]);
});

test('a JSON line keeps the full scope and the order of the fields', () => {
  const { log, lines } = recording('info', 'json');
  log.child('access').warn('x', { b: 1n, a: unquoted('1.2.3.4') });
  assert.equal(
    lines[0],
    '{"level":"warn","time":"2026-08-20T10:00:00.000001Z","scope":"ztunnel::access","message":"x","b":"1","a":"1.2.3.4"}',
  );
});

test('levels change at run time, the most specific scope wins', () => {
  const { log, lines } = recording('warn,access=debug');
  const access = log.child('access');
  const dns = log.child('dns').child('server');
  access.debug('1');
  dns.info('no');
  log.setLevel('dns', 'info');
  dns.info('2');
  assert.equal(dns.isEnabled('debug'), false);
  log.setLevel(undefined, 'off');
  access.error('no');
  assert.deepEqual(
    lines.map((line) => line.split('\t')[3]),
    ['1', '2'],
  );
  assert.equal(log.filter(), 'off');
});

test('a filter list is refused with the word that is wrong', () => {
  assert.deepEqual(parseLogFilter('info, access=DEBUG'), [
    { scope: undefined, level: 'info' },
    { scope: 'access', level: 'debug' },
  ]);
  assert.equal(parseLogFilter('access'), '"access" is not a log level (off, error, warn, info, debug, trace)');
});

test('secrets never reach a line', () => {
  for (const format of ['plain', 'json'] as const) {
    const { log, lines } = recording('info', format);
    log.info('x', { token: 'abc', 'ca.private_key': 'abc', authorization: 'abc' });
    assert.equal(lines[0]?.includes('abc'), false);
  }
});

test('whatever a message and a field hold, a line stays one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.anything({ maxDepth: 2, maxKeys: 4 }), (text, value) => {
      for (const format of [formatPlain, formatJson]) {
        const line = format(AT, 'info', 'x', text, { key: value, text: unquoted(text) });
        assert.equal(line.includes('\n'), false);
      }
    }),
  );
});

test('microseconds are written with six digits', () => {
  assert.equal(rfc3339Micros(0), '1970-01-01T00:00:00.000000Z');
  assert.equal(rfc3339Micros(1.5), '1970-01-01T00:00:00.001500Z');
});

test('a blocked reader costs dropped lines, never time, and the loss is reported', async () => {
  const written: string[] = [];
  let release: (() => void) | undefined;
  const writer = createLineWriter({
    maxLines: 3,
    write: (bytes, done) => {
      written.push(bytes.toString());
      release = () => done(undefined, bytes.length);
    },
  });
  writer.write('first');
  await new Promise(setImmediate);
  const kept = ['a', 'b', 'c', 'd', 'e'].filter((line) => writer.write(line));
  assert.deepEqual(kept, ['a', 'b', 'c']);
  assert.equal(writer.dropped, 2);
  release?.();
  assert.deepEqual(written, ['first\n', 'a\nb\nc\nlog lines dropped: 2 (the reader of the log is too slow)\n']);
  release?.();
  await writer.flush(10);
});

test('lines that come soon after a write share the next one; a full batch and a flush do not wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const written: string[] = [];
  const writer = createLineWriter({
    pauseMs: 5,
    batchLines: 4,
    write: (bytes, done) => {
      written.push(bytes.toString());
      done(undefined, bytes.length);
    },
  });
  const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  writer.write('a');
  await turn();
  for (const line of ['b', 'c']) {
    writer.write(line);
    await turn();
  }
  assert.deepEqual(written, ['a\n']);
  t.mock.timers.tick(5);
  assert.deepEqual(written, ['a\n', 'b\nc\n']);
  for (const line of ['d', 'e', 'f', 'g']) writer.write(line);
  await turn();
  assert.equal(written.at(-1), 'd\ne\nf\ng\n');
  writer.write('h');
  await writer.flush(10);
  assert.equal(written.at(-1), 'h\n');
});

test('a partial write continues where it stopped', () => {
  const written: string[] = [];
  const writer = createLineWriter({
    write: (bytes, done) => {
      written.push(bytes.toString());
      done(undefined, Math.min(bytes.length, 4));
    },
  });
  writer.write('abcdef');
  void writer.flush(10);
  assert.deepEqual(written, ['abcdef\n', 'ef\n']);
});
