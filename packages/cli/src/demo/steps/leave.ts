// Step 10: the namespace leaves the mesh, the mesh is uninstalled, the cluster ends; nothing is left.
import { readdirSync, existsSync } from 'node:fs';
import { kinds } from '../../cluster/kinds.ts';
import { uninstall } from '../../install/uninstall.ts';
import { dirname } from 'node:path';
import { removeCluster } from '../../local/down.ts';
import { isAlive } from '../../local/state-folder.ts';
import { waitUntilReleased } from '../../mesh/remove.ts';
import { waitUntil } from '../../output/wait-until.ts';
import { labels } from '../../cluster/kinds.ts';
import { demoWishes } from '../bring-up.ts';
import { demoName, hasRedirection, shop, type Stage } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';
import { podRules } from '../wire.ts';

async function noRulesLeft(stage: Stage): Promise<string> {
  if (!hasRedirection(stage)) return 'loopback mode has no rules to remove';
  const left = (await podRules(stage)).filter(({ tables }) => tables.some((name) => name.includes('istio')));
  expect(
    left.length === 0,
    'redirection rules are left in pods',
    left.map(({ netns, tables }) => `${netns}: ${tables.join(' ')}`).join('; '),
  );
  return 'no redirection rule is left in any pod';
}

async function plainAgain(stage: Stage): Promise<string> {
  return waitUntil('traffic without the mesh', 20_000, async () => {
    const result = await stage.load.burst({ host: 'productpage:9080', path: '/api/v1/products/0', count: 20 });
    return result.statuses['200'] === 20
      ? { value: 'the application still answers: 20 of 20' }
      : { missing: JSON.stringify(result.statuses) };
  });
}

/** Step 10 of the tour. */
export const leaveStep: TourStep = {
  number: 10,
  title: 'leave the mesh: nothing is left',
  commands: [`kubectl label namespace ${shop} ${labels.dataplaneMode}-`, 'ambit uninstall'],
  run: async (stage) => {
    await stage.api.delete({ ...kinds.gateway, namespace: shop, name: 'waypoint' });
    await stage.api.patch(
      { ...kinds.namespace, name: shop },
      { metadata: { labels: { [labels.dataplaneMode]: null, [labels.useWaypoint]: null } } },
    );
    await waitUntilReleased(stage.api, shop, 60_000);
    const rules = await noRulesLeft(stage);
    const traffic = await plainAgain(stage);
    // A replaced proxy keeps serving its long-lived connections until they end; these have shown what they were opened for.
    await stage.load.releaseHeld();
    const left = await uninstall(stage.api, demoWishes, { purge: false });
    expect(left.length === 0, 'objects of the mesh are left', left.join(', '));
    const { description } = stage.cluster;
    await removeCluster(dirname(stage.cluster.directory), demoName);
    const namespaces = existsSync('/run/netns')
      ? readdirSync('/run/netns').filter((name) => name.startsWith(`ambit-${description.id}`))
      : [];
    expect(namespaces.length === 0, 'network namespaces are left', namespaces.join(', '));
    expect(!isAlive(description), `process ${description.pid} still lives`, 'the cluster did not end');
    expect(!existsSync(stage.cluster.directory), 'the state folder is left', stage.cluster.directory);
    return [rules, traffic, 'the mesh is uninstalled; cluster process, namespaces and files are gone'];
  },
};
