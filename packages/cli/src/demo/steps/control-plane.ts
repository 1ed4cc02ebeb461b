// Step 9: without a control plane for 15 s traffic does not notice, and afterwards new configuration arrives again.
import { setTimeout as delay } from 'node:timers/promises';
import { kinds } from '../../cluster/kinds.ts';
import { waitForRollouts } from '../../cluster/rollout.ts';
import { waitUntil } from '../../output/wait-until.ts';
import { meshNamespace, shop } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';

const istiod = { ...kinds.deployment, namespace: meshNamespace, name: 'istiod' };
const absenceMs = 15_000;

/** Proof of life: a policy that did not exist during the outage, on a service that answers everybody until then. */
const probe = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'after-the-outage', namespace: shop },
  spec: {
    targetRefs: [{ kind: 'Service', group: '', name: 'details' }],
    action: 'DENY',
    rules: [{ to: [{ operation: { paths: ['/details/1'] } }] }],
  },
};

/** Step 9 of the tour. */
export const controlPlaneStep: TourStep = {
  number: 9,
  title: 'the control plane is gone for 15 s',
  commands: [
    `kubectl -n ${meshNamespace} scale deployment/istiod --replicas=0`,
    `kubectl -n ${meshNamespace} scale deployment/istiod --replicas=1`,
  ],
  run: async (stage) => {
    await stage.load.reset();
    await stage.api.patch(istiod, { spec: { replicas: 0 } });
    await waitUntil('the end of the control plane', 40_000, async () => {
      const pods = await stage.api.list(kinds.pod, { namespace: meshNamespace, labelSelector: 'app=istiod' });
      return pods.length === 0 ? { value: true } : { missing: 'its pod still lives' };
    });
    await delay(absenceMs, undefined, { signal: stage.signal });
    const counts = await stage.load.counts();
    expect(
      counts.failed === 0 && counts.sent > 0,
      `${counts.failed} of ${counts.sent} requests failed without a control plane`,
      counts.failures.join('; '),
    );
    await stage.api.patch(istiod, { spec: { replicas: 1 } });
    await waitForRollouts(stage.api, [istiod], 60_000, { signal: stage.signal });
    await stage.api.apply(probe);
    try {
      await waitUntil('new configuration after the outage', 40_000, async () => {
        const result = await stage.load.burst({ host: 'details:9080', path: '/details/1' });
        return result.statuses['403'] === 1
          ? { value: true }
          : { missing: 'a policy applied after the outage is not in force yet' };
      });
    } finally {
      await stage.api.delete({
        apiVersion: probe.apiVersion,
        kind: probe.kind,
        namespace: shop,
        name: probe.metadata.name,
      });
    }
    return [
      `${counts.sent} requests without a control plane, ${counts.failed} failed`,
      'back by itself: a policy applied afterwards is in force',
    ];
  },
};
