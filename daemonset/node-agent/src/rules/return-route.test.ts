import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnRouteLines, returnRouteRequests } from './return-route.ts';

const words = (family: 'v4' | 'v6', action: 'add' | 'del'): string[] =>
  returnRouteRequests(family, action).map(
    ({ type, flags, body }) => `${type} 0x${flags.toString(16)} ${body.toString('hex')}`,
  );

// struct rtmsg, struct fib_rule_hdr and struct rtattr; what the kernel makes of them is seen in test/netns/node-agent.test.ts.
const marks = '08000600fc7f0000' + '08000a0011010000' + '08001000ff0f0000' + '08000f0064000000';

test('a local route for everything in table 100, and a rule for the return mark, of each family', () => {
  assert.deepEqual(words('v4', 'add'), [
    '24 0x500 020000006403fe0200000000' + '0800040001000000',
    `32 0x600 020000006400000100000000${marks}`,
  ]);
  assert.deepEqual(words('v6', 'add'), [
    '24 0x500 0a0000006403fe0200000000' + '0800040001000000',
    `32 0x600 0a0000006400000100000000${marks}`,
  ]);
});

test('the reverse names the same route and the same rule', () => {
  for (const family of ['v4', 'v6'] as const) {
    const bodies = (action: 'add' | 'del'): Buffer[] => returnRouteRequests(family, action).map(({ body }) => body);
    assert.deepEqual(bodies('del'), bodies('add'));
    assert.deepEqual(
      returnRouteRequests(family, 'del').map(({ type }) => type),
      [25, 33],
    );
  }
});

test('of all routes and rules only the way back is printed, without the numbers that its use changes', () => {
  const [route, rule] = returnRouteRequests('v6', 'add').map(({ body }) => body);
  assert.ok(route !== undefined && rule !== undefined);
  const used = (count: number): Buffer => Buffer.concat([route, Buffer.from([8, 0, 12, 0, count, 0, 0, 0])]);
  const other = Buffer.from(route);
  other[4] = 254;
  const otherRule = Buffer.from(rule);
  otherRule.writeUInt32LE(32_766, 16);
  const lines = returnRouteLines([used(1), other], [rule, otherRule]);
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['route', 'rule'],
  );
  assert.deepEqual(returnRouteLines([used(2)], [rule]), lines);
  assert.notDeepEqual(returnRouteLines([], [rule]), lines);
});
