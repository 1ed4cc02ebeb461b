// The local cluster in loopback mode, as any user: a workload from deployment to deletion, and nothing left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { askImage, startTestCluster, type TestCluster, walkWorkload, webImage } from '../fixtures/local-cluster.ts';

/** A pod is reached at its node's address while it is there. */
async function reachHostPort(cluster: TestCluster): Promise<void> {
  const hostPort = await freePort();
  const path = '/api/v1/namespaces/default/pods';
  const ports = [{ containerPort: 8080, hostPort }];
  const container = { name: 'web', image: 'test/web', env: [{ name: 'VERSION', value: 'v1' }], ports };
  await cluster.api('POST', path, { kind: 'Pod', metadata: { name: 'at-host' }, spec: { containers: [container] } });
  const ask = async (ip: string): Promise<string | undefined> =>
    fetch(`http://${ip}:${hostPort}/`, { headers: { connection: 'close' } }).then(
      async (answer) => answer.text(),
      () => undefined,
    );
  const nodeIp = await cluster.until('the node of the pod', async () => {
    const { status } = await cluster.api('GET', `${path}/at-host`);
    return status?.hostIP as string | undefined;
  });
  await cluster.until('an answer at the host port', async () => (await ask(nodeIp))?.startsWith('v1 at-host'));
  await cluster.api('DELETE', `${path}/at-host`);
  await cluster.until('a closed host port', async () => (await ask(nodeIp)) === undefined);
}

test('a workload walks from deployment to deletion', { timeout: 120_000 }, async () => {
  const cluster = await startTestCluster('loopback', [webImage, askImage]);
  {
    await using running = cluster;
    await walkWorkload(running);
    await reachHostPort(running);
  }
  assert.equal(cluster.process.exitCode, 0, cluster.output());
});
