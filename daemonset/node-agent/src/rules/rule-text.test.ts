// The whole text of the rules, per tool and per wish of a pod (spec node-agent 3.3, 3.6, 4.2, 4.3). The kernel's behaviour is tested in
// test/netns; here a rule that changes its place, its mark or its port is seen in review. A wanted change: run with --test-update-snapshots.
import { test } from 'node:test';
import { buildSets, planHostTable } from './host-iptables.ts';
import { buildHostTransaction } from './host-nftables.ts';
import { buildRestore, parseSaved, planPodTables } from './iptables-plan.ts';
import { buildPodRemoval, buildPodRules, type PodRuleSettings } from './plan.ts';

const standard: PodRuleSettings = {
  ipv6: false,
  dnsCapture: true,
  bypassInbound: false,
  virtualInterfaces: [],
  probeIp: '169.254.7.127',
  probeIpv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
};
const wishes: Readonly<Record<string, PodRuleSettings>> = {
  'the standard': standard,
  'both families': { ...standard, ipv6: true },
  'no DNS capture': { ...standard, dnsCapture: false },
  'a gateway': { ...standard, bypassInbound: true },
  'virtual interfaces': { ...standard, virtualInterfaces: ['k6t-eth0', 'tap+'] },
  'a gateway with virtual interfaces, both families': {
    ...standard,
    ipv6: true,
    bypassInbound: true,
    virtualInterfaces: ['k6t-eth0'],
  },
};
/** A text is compared line by line, not as one string of JSON. */
const serializers = [(text: unknown) => String(text)];

for (const [name, settings] of Object.entries(wishes)) {
  test(`nftables, ${name}`, (t) => t.assert.snapshot(buildPodRules(settings), { serializers }));
  const families = settings.ipv6 ? (['v4', 'v6'] as const) : (['v4'] as const);
  for (const family of families)
    test(`iptables ${family}, ${name}`, (t) =>
      t.assert.snapshot(buildRestore(planPodTables(family, settings), parseSaved('')), { serializers }));
}

test('removal by nftables', (t) => t.assert.snapshot(buildPodRemoval(), { serializers }));

const owners = new Map([
  ['10.0.0.1', 'uid-a'],
  ['fd00::1', 'uid-a'],
  ['10.0.0.2', 'uid-b'],
]);
for (const ipv6 of [false, true]) {
  const { probeIp, probeIpv6 } = standard;
  const host = { ipv6, probeIp, probeIpv6, probeUid: 0, isOnlyProbeUid: false };
  const what = ipv6 ? 'both families' : 'IPv4 alone';
  test(`the node by nftables, ${what}`, (t) => t.assert.snapshot(buildHostTransaction(host, owners), { serializers }));
  test(`the node by iptables, ${what}`, (t) => {
    const families = ipv6 ? (['v4', 'v6'] as const) : (['v4'] as const);
    const plans = (withSets: boolean): string =>
      families.map((family) => buildRestore([planHostTable(family, host, owners, withSets)], parseSaved(''))).join('');
    t.assert.snapshot(`${buildSets(ipv6, owners)}${plans(true)}without ipset:\n${plans(false)}`, { serializers });
  });
}
