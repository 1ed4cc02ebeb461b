// Step 3: the label captures running pods: no restart, open connections live on and are counted, new ones are TLS only.
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../../cluster/kinds.ts';
import { nameOf, restartsOf } from '../../cluster/object-fields.ts';
import { unprotectedOf } from '../../mesh/capture.ts';
import { waitUntilCaptured } from '../../mesh/add.ts';
import { waitUntil } from '../../output/wait-until.ts';
import { oldConnection, stillEchoes } from '../held-connection.ts';
import { findProxyLine } from '../proxy-log.ts';
import { shop, type Stage } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';
import { watchWire } from '../wire.ts';

const uids = (pods: readonly KubernetesObject[]): string =>
  pods
    .map((pod) => pod.metadata?.uid ?? '')
    .toSorted()
    .join(' ');

async function unprotectedConnections(
  stage: Stage,
): Promise<{ readonly total: number; readonly pods: readonly string[] }> {
  return waitUntil('the count of unprotected connections', 10_000, async () => {
    const pods = await stage.api.list(kinds.pod, { namespace: shop });
    const open = pods.filter((pod) => unprotectedOf(pod) > 0);
    if (open.length === 0) return { missing: 'no pod reports any' };
    return {
      value: {
        total: open.reduce((sum, pod) => sum + unprotectedOf(pod), 0),
        pods: open.map((pod) => `${nameOf(pod)} ${unprotectedOf(pod)}`),
      },
    };
  });
}

/** Opens connections while looking at the wire: what is opened now must not be readable. Older ones are the unprotected ones. */
async function onlyTls(stage: Stage): Promise<string> {
  const [wire, result] = await Promise.all([
    watchWire(stage, 3),
    stage.load.burst({ host: 'productpage:9080', path: '/api/v1/products/0', count: 60, concurrency: 2 }),
  ]);
  expect(result.statuses['200'] === 60, 'not every new connection succeeded', JSON.stringify(result));
  expect(wire.readableOnNew.length === 0, 'a new connection is readable', wire.readableOnNew.join('; '));
  if (wire.source === 'relay') {
    return 'no new plaintext connection passed the relay in 3 s; node proxies talk to each other directly (loopback mode: no packet is read)';
  }
  expect(wire.tlsRecords > 0, 'the wire carries no TLS', `${wire.seen} packets seen`);
  return `${wire.seen} packets in 3 s: ${wire.tlsRecords} begin TLS records, 0 readable requests on connections opened now`;
}

/** Step 3 of the tour. */
export const labelStep: TourStep = {
  number: 3,
  title: 'label the namespace: mTLS without a restart',
  commands: [`kubectl label namespace ${shop} ${labels.dataplaneMode}=ambient`],
  run: async (stage) => {
    const old = await oldConnection(stage);
    const before = await stage.api.list(kinds.pod, { namespace: shop });
    await stage.load.reset();
    await stage.api.patch(
      { ...kinds.namespace, name: shop },
      { metadata: { labels: { [labels.dataplaneMode]: 'ambient' } } },
    );
    const pods = await waitUntilCaptured(stage.api, shop, 30_000);
    const restarts = pods.reduce((sum, pod) => sum + restartsOf(pod), 0);
    expect(
      uids(before) === uids(pods),
      'not every pod was captured, or one was replaced',
      `${before.length} pods before, ${pods.length} captured`,
    );
    expect(restarts === 0, `${restarts} containers were restarted`, 'capture must not restart anything');
    const echoes = await stillEchoes(stage, old);
    const load = await stage.load.counts();
    expect(
      load.failed === 0,
      `${load.failed} of ${load.sent} requests failed while the pods were captured`,
      load.failures.join('; '),
    );
    const unprotected = await unprotectedConnections(stage);
    const wire = await onlyTls(stage);
    const line = await findProxyLine(stage, [
      `src.identity="spiffe://cluster.local/ns/${shop}/sa/bookinfo-load"`,
      `dst.identity="spiffe://cluster.local/ns/${shop}/sa/bookinfo-productpage"`,
    ]);
    return [
      `${pods.length}/${before.length} pods captured, 0 restarts, the same pods as before, ${load.failed} of ${load.sent} requests failed meanwhile`,
      `the connection opened before still carries data (${echoes} echoes)`,
      `${unprotected.total} connections from before are listed as unprotected: ${unprotected.pods.join(', ')}`,
      wire,
      `identities on both sides: ${line.slice(0, 400)}`,
    ];
  },
};
