import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildSets, planHostTable } from './host-iptables.ts';
import { buildHostTransaction } from './host-nftables.ts';
import { ownersPrinted } from './owners-printed.ts';

const settings = { ipv6: true, probeIp: '169.254.7.127', probeIpv6: 'fd16::1', probeUid: 0, isOnlyProbeUid: false };

test('whose an address is, is read out of what any tool has of it', () => {
  const owner = fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.uuid());
  fc.assert(
    fc.property(fc.uniqueArray(owner, { selector: ([ip]) => ip }), (list) => {
      const owners = new Map(list);
      const rules = (['v4', 'v6'] as const).flatMap((family) => planHostTable(family, settings, owners, false).rules);
      // iptables-save leaves the quotation marks out where there is no blank.
      for (const text of [
        buildHostTransaction(settings, owners),
        buildSets(true, owners),
        rules.join('\n'),
        rules.join('\n').replaceAll('"', ''),
      ])
        assert.deepEqual(new Map(ownersPrinted(text)), owners);
    }),
  );
});

test('addresses without a comment, and comments without an address, belong to nobody', () => {
  const printed =
    'elements = { 10.0.0.1, 10.0.0.2 comment "a" }\n-A X -m comment --comment b -j SNAT --to-source 10.0.0.3';
  assert.deepEqual([...ownersPrinted(printed)], [['10.0.0.2', 'a']]);
});

test('any text is read without throwing', () => {
  fc.assert(fc.property(fc.string(), (text) => void ownersPrinted(text)));
});
