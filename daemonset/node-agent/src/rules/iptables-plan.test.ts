import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildRestore, ownRulesOf, parseSaved, planPodTables } from './iptables-plan.ts';
import { planHostTable } from './host-iptables.ts';
import type { PodRuleSettings } from './plan.ts';

const settings: PodRuleSettings = {
  ipv6: true,
  dnsCapture: true,
  bypassInbound: false,
  virtualInterfaces: [],
  probeIp: '169.254.7.127',
  probeIpv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
};

test('a clean pod gets every table in one restore, in the order of the list', () => {
  const text = buildRestore(planPodTables('v4', settings), parseSaved(''));
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('*')),
    ['*mangle', '*nat', '*raw'],
  );
  assert.match(
    text,
    /-A ISTIO_OUTPUT ! -d 127\.0\.0\.1\/32 -o lo -j ACCEPT\n-A ISTIO_OUTPUT ! -d 127\.0\.0\.1\/32 -p tcp -m mark ! --mark 0x539\/0xfff -j REDIRECT --to-ports 15001/,
  );
});

test('a gateway loses the two rows of inbound capture and keeps the mark', () => {
  const rows = (bypassInbound: boolean): readonly string[] =>
    planPodTables('v4', { ...settings, bypassInbound }).flatMap(({ rules }) => rules);
  const lost = rows(false).filter((rule) => !rows(true).includes(rule));
  assert.equal(lost.length, 2);
  assert.ok(lost[1]?.includes('--to-ports 15006'));
});

test('jumps that are there are not added again, doubled ones are made one, unknown chains go, foreign rules stay', () => {
  const saved = parseSaved(
    [
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':ISTIO_PRERT - [0:0]',
      ':ISTIO_TEST - [0:0]',
      ':DOCKER - [0:0]',
      '-A PREROUTING -j DOCKER',
      '-A PREROUTING -j ISTIO_PRERT',
      '-A OUTPUT -j ISTIO_OUTPUT',
      '-A OUTPUT -j ISTIO_OUTPUT',
      '-A OUTPUT -p tcp -j ISTIO_TEST',
      'COMMIT',
      '*raw',
      ':ISTIO_OUTPUT - [0:0]',
      '-A OUTPUT -j ISTIO_OUTPUT',
      'COMMIT',
    ].join('\n'),
  );
  const lines = buildRestore(planPodTables('v4', { ...settings, dnsCapture: false }), saved).split('\n');
  const nat = lines.slice(lines.indexOf('*nat'), lines.indexOf('COMMIT', lines.indexOf('*nat')));
  assert.equal(nat.filter((line) => line === '-A PREROUTING -j ISTIO_PRERT').length, 0);
  assert.equal(nat.filter((line) => line === '-D OUTPUT -j ISTIO_OUTPUT').length, 2);
  assert.equal(nat.filter((line) => line === '-A OUTPUT -j ISTIO_OUTPUT').length, 1);
  assert.ok(nat.includes('-D OUTPUT -p tcp -j ISTIO_TEST') && nat.includes('-X ISTIO_TEST'));
  assert.ok(!nat.some((line) => line.includes('DOCKER')));
  assert.deepEqual(lines.slice(lines.indexOf('*raw'), -1), [
    '*raw',
    '-D OUTPUT -j ISTIO_OUTPUT',
    '-F ISTIO_OUTPUT',
    '-X ISTIO_OUTPUT',
    'COMMIT',
  ]);
});

test('nothing to remove is an empty text', () => {
  assert.equal(buildRestore([], parseSaved('*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j DOCKER\nCOMMIT\n')), '');
});

test("the node's jump is moved to the front when another rule got before it", () => {
  const plan = planHostTable(
    'v4',
    { ...settings, probeUid: 0, isOnlyProbeUid: false },
    new Map([['10.0.0.1', 'uid-1']]),
    false,
  );
  const saved = '*nat\n:ISTIO_POSTRT - [0:0]\n-A POSTROUTING -j OTHER\n-A POSTROUTING -j ISTIO_POSTRT\nCOMMIT\n';
  const lines = buildRestore([plan], parseSaved(saved)).split('\n');
  assert.ok(lines.indexOf('-D POSTROUTING -j ISTIO_POSTRT') < lines.indexOf('-I POSTROUTING 1 -j ISTIO_POSTRT'));
  assert.ok(lines.includes('-D POSTROUTING -j ISTIO_POSTRT'));
});

test('counters and dates do not make a difference between two prints of the same rules', () => {
  const print = (counter: string): string =>
    `# ${counter}\n*nat\n:ISTIO_PRERT - ${counter}\n-A PREROUTING -j ISTIO_PRERT\nCOMMIT\n`;
  assert.equal(ownRulesOf(print('[0:0]')), ownRulesOf(print('[7:420]')));
  assert.notEqual(ownRulesOf(print('[0:0]')), '');
});

test('the same rules look the same in a pod whose tables and chains were made in another order; rules of a chain keep theirs', () => {
  const nat = ['*nat', ':ISTIO_A - [0:0]', ':ISTIO_B - [0:0]', '-A ISTIO_A -j ACCEPT', '-A ISTIO_B -j DROP'];
  const turned = ['*nat', ':ISTIO_B - [0:0]', ':ISTIO_A - [0:0]', '-A ISTIO_B -j DROP', '-A ISTIO_A -j ACCEPT'];
  const raw = ['*raw', ':ISTIO_C - [0:0]', '-A ISTIO_C -j ACCEPT', '-A ISTIO_C -j DROP'];
  const print = (...tables: readonly (readonly string[])[]): string => ownRulesOf(tables.flat().join('\n'));
  assert.equal(print(nat, raw), print(raw, turned));
  assert.notEqual(print(raw), print([raw[0] ?? '', raw[1] ?? '', raw[3] ?? '', raw[2] ?? '']));
});

test('any text of iptables-save is read without throwing', () => {
  fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => void buildRestore([], parseSaved(`*nat\n${text}`))));
});

test("only the kubelet's connections are exempt where the operator asked for it", () => {
  const ruleOf = (isOnlyProbeUid: boolean, withSets: boolean): string | undefined =>
    planHostTable('v4', { ...settings, probeUid: 7, isOnlyProbeUid }, new Map([['10.0.0.1', 'uid-1']]), withSets)
      .rules[0];
  for (const withSets of [true, false]) {
    assert.match(ruleOf(true, withSets) ?? '', /-m owner --uid-owner 7 --socket-exists /);
    assert.doesNotMatch(ruleOf(false, withSets) ?? '', /uid-owner/);
  }
});
