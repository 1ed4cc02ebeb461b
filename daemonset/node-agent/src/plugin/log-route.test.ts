import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest } from '@ambit/runtime/admin';
import { createCapturingLogger } from '@ambit/runtime/testing';
import fc from 'fast-check';
import { parsePluginLine, pluginLogRoute } from './log-route.ts';

const posting = (body: string): AdminRequest => ({
  method: 'POST',
  path: '/log',
  query: new URLSearchParams(),
  headers: {},
  signal: new AbortController().signal,
  text: async () => body,
});

test("a plugin's lines appear with their level, message and fields, and those that are none are dropped", async () => {
  const log = createCapturingLogger();
  const lines = [
    JSON.stringify({ level: 'error', time: '2026-01-01T00:00:00Z', msg: 'no agent', pod: 'shop/web', code: 500 }),
    'not JSON',
    JSON.stringify({ level: 'loud', msg: 'x' }),
    JSON.stringify(['error']),
    JSON.stringify({ level: 'info', msg: 'fine' }),
  ];
  assert.deepEqual(await pluginLogRoute(log)(posting(JSON.stringify([...lines, 7]))), {});
  assert.deepEqual(
    log.lines.map(({ level, message, fields }) => ({ level, message, fields })),
    [
      { level: 'error', message: 'no agent', fields: { pod: 'shop/web', code: '500' } },
      { level: 'info', message: 'fine', fields: {} },
    ],
  );
});

test('what is no list of lines is refused', async () => {
  for (const body of ['', '{}', '"text"', '[']) {
    const log = createCapturingLogger();
    assert.deepEqual(await pluginLogRoute(log)(posting(body)), { status: 400 });
    assert.equal(log.lines.length, 0);
  }
});

test('a line of any size is bounded', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, 'v'.repeat(5000)]));
  const line = parsePluginLine(JSON.stringify({ level: 'warn', msg: 'm'.repeat(5000), ...many }));
  assert.equal(line?.message.length, 2000);
  assert.equal(Object.keys(line?.fields ?? {}).length, 20);
  assert.equal(line?.fields['f0']?.length, 2000);
  fc.assert(fc.property(fc.string(), (text) => void parsePluginLine(text)));
  fc.assert(fc.property(fc.json(), (text) => void parsePluginLine(text)));
});
