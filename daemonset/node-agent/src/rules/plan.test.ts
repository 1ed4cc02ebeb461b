import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildPodRules, isInterfaceName, type PodRuleSettings } from './plan.ts';

const settings: PodRuleSettings = {
  ipv6: true,
  dnsCapture: true,
  bypassInbound: false,
  virtualInterfaces: [],
  probeIp: '169.254.7.127',
  probeIpv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
};

test('the transaction replaces whatever the pod had', () => {
  const text = buildPodRules(settings);
  for (const name of ['istio-ambient-nat', 'istio-ambient-mangle', 'istio-ambient-raw']) {
    assert.ok(text.indexOf(`delete table inet ${name}`) < text.indexOf(`table inet ${name} {`), name);
  }
});

test('without DNS capture there is no DNS rule and no raw table', () => {
  const text = buildPodRules({ ...settings, dnsCapture: false });
  assert.doesNotMatch(text, /15053/);
  assert.doesNotMatch(text, /table inet istio-ambient-raw \{/);
});

test('a gateway keeps its plaintext port to itself and still marks tunnels', () => {
  const text = buildPodRules({ ...settings, bypassInbound: true });
  assert.doesNotMatch(text, /15006/);
  assert.match(text, /ct mark set/);
});

test('without IPv6 no rule names an IPv6 address', () => {
  assert.doesNotMatch(buildPodRules({ ...settings, ipv6: false }), /ip6|::1/);
});

test('interface names that could break out of a rule are refused', () => {
  assert.ok(isInterfaceName('k6t-eth0'));
  assert.ok(isInterfaceName('tap+'));
  for (const name of ['', 'a'.repeat(16), 'eth0 accept', 'x"; flush ruleset; #', 'a\nb', '+'])
    assert.equal(isInterfaceName(name), false, name);
  fc.assert(
    fc.property(fc.string(), (name) => {
      if (isInterfaceName(name)) assert.ok(!name.includes('"') && !name.includes(' ') && !name.includes('\n'));
    }),
  );
});
