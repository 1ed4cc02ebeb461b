import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServiceEntry } from '@ambit/resources';
import { assignVips } from './assign.ts';

const ranges = { ipv4: '240.240.0.0/16', ipv6: '2001:2::/48' };
const entry = (name: string, spec: object, more: object = {}): ServiceEntry => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace: 'apps', creationTimestamp: '2024-01-01T00:00:00Z', ...more },
  spec: { hosts: [`${name}.example`], resolution: 'DNS', ...spec },
});
const after = (e: ServiceEntry, list = [e]): ServiceEntry => {
  const change = assignVips(list, ranges).find((c) => c.entry === e);
  return { ...e, status: { addresses: [...(change?.addresses ?? [])] } };
};

test('each host gets one address of either family, and keeps it', () => {
  const assigned = after(entry('a', { hosts: ['a.example', 'b.example'] }));
  const values = (assigned.status?.addresses ?? []).map((a) => a.value ?? '');
  assert.equal(values.filter((v) => v.startsWith('240.240.')).length, 2);
  assert.equal(values.filter((v) => v.startsWith('2001:2::')).length, 2);
  assert.deepEqual(assignVips([assigned], ranges), []);
});

test('entries with addresses, without resolution, or that decline get none and lose what they had', () => {
  for (const e of [
    entry('own', { addresses: ['192.0.2.1'] }),
    entry('none', { resolution: 'NONE' }),
    entry('no', {}, { labels: { 'networking.istio.io/enable-autoallocate-ip': 'False' } }),
    entry('wild', { hosts: ['*.example'] }),
  ]) {
    assert.deepEqual(assignVips([e], ranges), []);
    const had = { ...e, status: { addresses: [{ host: 'x', value: '240.240.0.9' }] } };
    assert.deepEqual(assignVips([had], ranges)[0]?.addresses, []);
  }
});

test('of two with the same address the older keeps it, and a user wins over both', () => {
  const old = after(entry('old', {}));
  const young = {
    ...entry('young', {}, { creationTimestamp: '2025-01-01T00:00:00Z' }),
    status: {
      addresses: (old.status?.addresses ?? []).map((a) => ({ ...a, host: 'young.example' })),
    },
  };
  assert.deepEqual(
    assignVips([young, old], ranges).map((c) => c.entry.metadata.name),
    ['young'],
  );
  const user = entry('user', { addresses: [old.status?.addresses?.[0]?.value] });
  assert.deepEqual(
    assignVips([old, user], ranges).map((c) => c.entry.metadata.name),
    ['old'],
  );
});

test('addresses are unique for any set of entries', () => {
  const small = { ipv4: '240.240.0.0/26', ipv6: '2001:2::/120' };
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 80 }), (names) => {
      const changes = assignVips(
        names.map((n) => entry(n, {})),
        small,
      );
      const values = changes.flatMap((c) => c.addresses.map((a) => a.value));
      assert.equal(new Set(values).size, values.length);
      assert.ok(values.every((v) => v !== '240.240.0.0' && v !== '240.240.0.63'));
    }),
  );
});
