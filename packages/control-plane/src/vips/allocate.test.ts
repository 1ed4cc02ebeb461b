import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCluster } from '@ambit/kube/testing';
import { silentLogger } from '@ambit/runtime/log';
import { allocateVips } from './allocate.ts';

test('a service entry gets its addresses once, and a second replica finds nothing to do', async () => {
  const client = memoryCluster();
  client.put({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'a', namespace: 'apps' },
    spec: { hosts: ['a.example'], resolution: 'DNS', ports: [{ number: 80, name: 'http' }] },
  });
  const ranges = { ipv4: '240.240.0.0/16', ipv6: '2001:2::/48' };
  const addresses = (): object[] => client.objects('ServiceEntry')[0]?.status?.addresses ?? [];
  for (const replica of [1, 2]) {
    const stop = new AbortController();
    allocateVips({ client, ranges, log: silentLogger, signal: stop.signal });
    for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
    stop.abort();
    assert.equal(addresses().length, 2, `replica ${replica}`);
    assert.equal(client.writes.length, 1, `replica ${replica}`);
  }
});
