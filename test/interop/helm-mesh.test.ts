// The mesh installed by a real Helm from our charts: it comes up, captures and encrypts; uninstalled it leaves an empty inventory. The local
// cluster, loopback mode: needs no rights.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chartsFolder } from '@ambit/charts';
import { ambit, applyYaml } from '../fixtures/journey-shell.ts';
import { type Loose, startTestCluster, type TestCluster, webImage, webObjects } from '../fixtures/local-cluster.ts';
import { clientRunner, findPeer, notRun, versionOf } from '../fixtures/run-client.ts';

const program = findPeer('helm', 'AMBIT_PEER_HELM');
const skip = program === undefined ? notRun('helm', 'AMBIT_PEER_HELM') : false;

/** Releases under the names people use, in the order of installation. */
const releases = [
  ['istio-base', 'base'],
  ['istiod', 'istiod'],
  ['istio-cni', 'cni'],
  ['ztunnel', 'ztunnel'],
] as const;

const kindsOfTheMesh = [
  '/api/v1/serviceaccounts',
  '/api/v1/services',
  '/api/v1/configmaps',
  '/apis/apps/v1/deployments',
  '/apis/apps/v1/daemonsets',
  '/apis/autoscaling/v2/horizontalpodautoscalers',
  '/apis/policy/v1/poddisruptionbudgets',
  '/apis/rbac.authorization.k8s.io/v1/roles',
  '/apis/rbac.authorization.k8s.io/v1/rolebindings',
  '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
];

/** What the pods of the mesh say, for the message of a failure. */
async function stateOfPods(cluster: TestCluster): Promise<string> {
  const { items } = await cluster.api('GET', '/api/v1/namespaces/istio-system/pods');
  const texts = (items as Loose[]).map(async ({ metadata, status }) => {
    const log = await cluster.log('istio-system', metadata.name, '?tailLines=15');
    return `${metadata.name}: ${JSON.stringify(status?.conditions)} ${JSON.stringify(status?.containerStatuses)}\n${log}`;
  });
  return (await Promise.all(texts)).join('\n');
}

/** Objects that carry the label of the mesh, by kind and name. */
async function inventory(cluster: TestCluster): Promise<readonly string[]> {
  const lists = await Promise.all(
    kindsOfTheMesh.map(async (path) => {
      const { items } = await cluster.api('GET', `${path}?labelSelector=app.kubernetes.io%2Fpart-of%3Distio`);
      return (items as Loose[]).map(
        ({ metadata }) => `${path.split('/').at(-1)} ${metadata.namespace ?? ''}/${metadata.name}`,
      );
    }),
  );
  return lists.flat();
}

test(
  'helm brings the mesh up from our charts, and uninstalling leaves an empty inventory',
  { skip, timeout: 280_000 },
  async () => {
    console.log(`helm: ${versionOf(program ?? '', ['version', '--short'])}`);
    await using cluster = await startTestCluster('loopback', [webImage]);
    const home = mkdtempSync(join(tmpdir(), 'ambit-t-helm-'));
    try {
      const helm = clientRunner(program ?? '', join(cluster.stateDir, 'kubeconfig'), home);
      const ok = async (...words: string[]): Promise<string> => {
        const outcome = await helm.run([...words, '-n', 'istio-system'], { timeoutMs: 120_000 });
        if (outcome.code !== 0)
          assert.fail(`helm ${words.join(' ')}\n${outcome.stdout}${outcome.stderr}${await stateOfPods(cluster)}`);
        return outcome.stdout;
      };
      const { deployment, service } = webObjects('v1');
      await cluster.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
      await cluster.api('POST', '/api/v1/namespaces/default/services', service);

      for (const [release, chart] of releases) {
        const wait = ['--create-namespace', '--wait', '--timeout', '100s', '--set', 'global.platform=local'];
        await ok('install', release, join(chartsFolder(), chart), ...wait);
      }
      assert.match(await ok('list'), /istiod[\s\S]*deployed[\s\S]*ztunnel[\s\S]*deployed/);

      await applyYaml(
        cluster,
        'apiVersion: v1\nkind: Namespace\nmetadata: { name: default, labels: { istio.io/dataplane-mode: ambient } }',
      );
      await cluster.until('captured pods', async () => {
        const { items } = await cluster.api('GET', '/api/v1/namespaces/default/pods');
        return (
          items.length === 2 &&
          (items as Loose[]).every(
            ({ metadata }) => metadata.annotations?.['ambient.istio.io/redirection'] === 'enabled',
          )
        );
      });
      const checked = await ambit(cluster, [
        'check',
        'control-plane',
        'node-agent',
        'node-proxy',
        'redirection',
        'xds-lag',
      ]);
      assert.equal(checked.status, 0, checked.out + checked.err);
      const [pod] = (await cluster.api('GET', '/api/v1/namespaces/default/pods')).items as Loose[];
      const explained = await ambit(cluster, ['explain', `pod/${pod.metadata.name}`, 'svc/web:80']);
      assert.match(explained.out, /^ALLOWED[\s\S]*HBONE mTLS/, explained.err);

      // A second look at the same charts changes nothing.
      await ok('upgrade', 'ztunnel', join(chartsFolder(), 'ztunnel'), '--reuse-values', '--wait', '--timeout', '100s');

      await applyYaml(cluster, 'apiVersion: v1\nkind: Namespace\nmetadata: { name: default, labels: {} }');
      await cluster.until('released pods', async () => {
        const { items } = await cluster.api('GET', '/api/v1/namespaces/default/pods');
        return (items as Loose[]).every(
          ({ metadata }) => metadata.annotations?.['ambient.istio.io/redirection'] !== 'enabled',
        );
      });
      for (const [release] of releases.toReversed()) await ok('uninstall', release, '--wait', '--timeout', '100s');
      await cluster.until('the end of the pods', async () => {
        const { items } = await cluster.api('GET', '/api/v1/namespaces/istio-system/pods');
        return items.length === 0;
      });
      assert.deepEqual(await inventory(cluster), []);
      assert.equal(
        (await cluster.api('GET', '/api/v1/namespaces/default/pods')).items.length,
        2,
        'the application stays',
      );

      // What the running mesh made for itself belongs to no release; the command line takes it, and the definitions.
      const purged = await ambit(cluster, ['uninstall', '--purge', '-y']);
      assert.equal(purged.status, 0, purged.out + purged.err);
      const left = [
        ...((await cluster.api('GET', '/api/v1/configmaps')).items as Loose[]),
        ...((await cluster.api('GET', '/api/v1/secrets')).items as Loose[]),
        ...((await cluster.api('GET', '/apis/coordination.k8s.io/v1/leases')).items as Loose[]),
      ].filter(({ metadata }) => String(metadata.name).startsWith('istio'));
      assert.deepEqual(
        left.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
        [],
      );
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  },
);
