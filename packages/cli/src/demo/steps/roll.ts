// Step 8: the node proxies are replaced under load: no request fails, no connection is cut.
import { kinds } from '../../cluster/kinds.ts';
import { nameOf } from '../../cluster/object-fields.ts';
import { waitForRollouts } from '../../cluster/rollout.ts';
import { oldConnection, stillEchoes } from '../held-connection.ts';
import { meshNamespace, type Stage } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';

const ztunnel = { ...kinds.daemonSet, namespace: meshNamespace, name: 'ztunnel' };

/** Requests per second while the proxies are replaced; each one is five more inside the application. */
const rolloutRate = 40;
const steadyRate = 10;

async function proxies(stage: Stage): Promise<readonly string[]> {
  return (await stage.api.list(kinds.pod, { namespace: meshNamespace, labelSelector: 'app=ztunnel' })).map(nameOf);
}

/** Step 8 of the tour. */
export const rollStep: TourStep = {
  number: 8,
  title: 'roll the node proxies under load',
  commands: [
    `kubectl -n ${meshNamespace} rollout restart daemonset/ztunnel`,
    `kubectl -n ${meshNamespace} rollout status daemonset/ztunnel`,
  ],
  run: async (stage) => {
    const before = await proxies(stage);
    const held = await stage.load.hold('ratings', 9090);
    expect(held.ended === undefined, 'a connection through the mesh could not be opened', held.ended ?? '');
    await stillEchoes(stage, held.id);
    await stage.load.reset();
    await stage.load.setRate(rolloutRate);
    await stage.api.patch(ztunnel, {
      spec: {
        template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() } } },
      },
    });
    await waitForRollouts(stage.api, [ztunnel], 120_000, { signal: stage.signal });
    const echoes = await stillEchoes(stage, held.id);
    const oldest = await stillEchoes(stage, await oldConnection(stage));
    const result = await stage.load.burst({ host: 'productpage:9080', path: '/api/v1/products/0', count: 50 });
    const counts = await stage.load.counts();
    await stage.load.setRate(steadyRate);
    expect(result.statuses['200'] === 50, 'requests after the rollout failed', JSON.stringify(result));
    expect(
      counts.failed === 0,
      `${counts.failed} of ${counts.sent} requests failed during the rollout`,
      counts.failures.join('; '),
    );
    expect(counts.sent > 0, 'there was no load during the rollout', 'the load generator is paused');
    const after = (await proxies(stage)).filter((name) => !before.includes(name));
    expect(after.length === stage.cluster.description.nodes.length, 'not every node has a new proxy', after.join(', '));
    return [
      `${after.length} new node proxies (${after.join(', ')})`,
      `${counts.sent} requests of steady load during the rollout, ${counts.failed} failed, none repeated`,
      `long-lived connection through the mesh lives on (${echoes} echoes); the one from before the mesh too (${oldest} echoes)`,
    ];
  },
};
