// What is known is answered without a name server; what is not needs one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodContext } from '../threads/pod-context.ts';
import { forwardQuery } from './forward.ts';

const query = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]);

function podWith(known: Buffer | undefined): PodContext {
  // forwardQuery reads nothing else of a context before it asks somebody, and there is nobody.
  return {
    pod: { uid: 'u' },
    config: { dns: { nameservers: [] } },
    dnsCache: { get: () => known, put: () => assert.fail('nothing was answered') },
  } as unknown as PodContext;
}

test('a reply that is still alive is given without asking', async () => {
  const reply = Buffer.from('reply');
  assert.equal(await forwardQuery(podWith(reply), query, 'udp'), reply);
});

test('without a name server and without a known reply there is none', async () => {
  assert.equal(await forwardQuery(podWith(undefined), query, 'udp'), undefined);
});
