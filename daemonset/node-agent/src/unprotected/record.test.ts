import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Logger } from '@ambit/runtime/log';
import { silentLogger } from '@ambit/runtime/log';
import fc from 'fast-check';
import { connectionLimit, printRecord, readRecord, recordLimit, UnprotectedRecord } from './record.ts';
import { openConnection } from './testing.ts';

const open = [openConnection('10.0.0.1:8080', '10.0.0.2:40000', 7), openConnection('[fd00::1]:8080', '[fd00::2]:4', 8)];

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-record-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const warned: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields) => void warned.push(`${message} ${String(fields?.['code'])}`),
  };
  return { folder, warned, log, record: new UnprotectedRecord(folder, log, 'boot-1') };
}

test('what one agent writes the next one reads, in the same namespace and the same run of the kernel', (t) => {
  const { folder, record, log, warned } = setUp(t);
  record.write('uid-1', 4n, open);
  record.write('uid-2', 5n, []);
  assert.deepEqual(record.read('uid-1', 4n), open);
  assert.deepEqual(record.read('uid-2', 5n), []);
  assert.equal(record.read('uid-3', 5n), undefined);
  assert.equal(record.read('uid-1', 5n), undefined);
  assert.equal(new UnprotectedRecord(folder, log, 'boot-2').read('uid-1', 4n), undefined);
  record.keepOnly(new Set(['uid-2']));
  assert.deepEqual(readdirSync(folder), ['uid-2']);
  record.remove('uid-2');
  assert.deepEqual([readdirSync(folder), warned], [[], []]);
});

test('a file that is cut, oversize or somebody else’s is no record, is told, and is replaced by the next one', (t) => {
  const { folder, record, warned } = setUp(t);
  const whole = printRecord({ boot: 'boot-1', netns: '4', connections: open });
  for (const text of [whole.slice(0, -5), '', 'null', '{"version":2}', whole.replace('>', '<')]) {
    writeFileSync(join(folder, 'uid'), text);
    assert.equal(record.read('uid', 4n), undefined, text);
  }
  writeFileSync(join(folder, 'uid'), '');
  truncateSync(join(folder, 'uid'), recordLimit + 1);
  assert.equal(record.read('uid', 4n), undefined);
  assert.equal(warned.length, 6);
  assert.ok(
    warned.every((line) => line.endsWith('ERR_NODE_AGENT_RECORD')),
    warned.join('\n'),
  );
  record.write('uid', 4n, open);
  assert.deepEqual(record.read('uid', 4n), open);
});

test('a folder that cannot be written stops nothing', (t) => {
  const { folder, log, warned } = setUp(t);
  writeFileSync(join(folder, 'taken'), '');
  const record = new UnprotectedRecord(join(folder, 'taken'), log, 'boot-1');
  record.write('uid', 4n, open);
  record.keepOnly(new Set());
  assert.equal(record.read('uid', 4n), undefined);
  assert.ok(warned.length >= 1);
});

test('a UID that is no name of a file reaches no file', (t) => {
  const { folder, record } = setUp(t);
  mkdirSync(join(folder, 'deep'));
  const deep = new UnprotectedRecord(join(folder, 'deep'), silentLogger, 'boot-1');
  for (const uid of ['../out', '.', '', 'a/b', 'x'.repeat(200)]) {
    deep.write(uid, 4n, open);
    assert.equal(record.read(uid, 4n), undefined);
  }
  assert.deepEqual([readdirSync(folder), existsSync(join(folder, 'out'))], [['deep'], false]);
});

test('more than the limit is not recorded: a part would be taken for the whole', (t) => {
  const { folder, record } = setUp(t);
  const one = open[0];
  assert.ok(one !== undefined);
  record.write('uid', 4n, open);
  record.write(
    'uid',
    4n,
    Array.from({ length: connectionLimit + 1 }, () => one),
  );
  assert.deepEqual(readdirSync(folder), []);
  const most = printRecord({ boot: 'b', netns: '4', connections: Array.from({ length: connectionLimit }, () => one) });
  assert.ok(most.length < recordLimit);
});

test('any text is either a record or an error with its code', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.object().map((value) => JSON.stringify(value)),
      ),
      (text) => {
        assert.throws(() => readRecord(text), { code: 'ERR_NODE_AGENT_RECORD' });
      },
    ),
  );
  const lines = fc.array(fc.oneof(fc.string(), fc.constant(`${open[0]?.key ?? ''} 7`), fc.integer()), { maxLength: 5 });
  fc.assert(
    fc.property(lines, (connections) => {
      const isGood = connections.every((line) => line === `${open[0]?.key ?? ''} 7`);
      const text = JSON.stringify({ version: 1, boot: 'b', netns: '4', connections });
      if (isGood) assert.equal(readRecord(text).connections.length, connections.length);
      else assert.throws(() => readRecord(text), { code: 'ERR_NODE_AGENT_RECORD' });
    }),
  );
});
