// The real istioctl against our control plane, as an operator uses it: versions, who is connected, waypoints, tags, analysis.
// Loopback mode: needs no rights.
import assert from 'node:assert/strict';
import { peerTest } from '../fixtures/peer-program.ts';
import { startLocalMesh } from '../fixtures/local-mesh.ts';
import { clientRunner } from '../fixtures/run-client.ts';

peerTest(
  'istioctl',
  'istioctl finds version, proxies, waypoints, tags and findings of a mesh that our control plane runs',
  async (istioctl) => {
    await using mesh = await startLocalMesh();
    const client = clientRunner(istioctl, mesh.kubeconfig, mesh.home);
    const ok = async (...words: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await client.run(words, { timeoutMs: 90_000 });
      assert.equal(code, 0, `istioctl ${words.join(' ')}: ${stdout}\n${stderr}`);
      return stdout;
    };
    const rows = (text: string): string[] =>
      text
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/u).join(' '));

    const version = JSON.parse(await ok('version', '-o', 'json')) as {
      meshVersion?: { Component: string; Info: { version: string; revision: string } }[];
      dataPlaneVersion?: { ID: string }[];
    };
    assert.deepEqual(
      version.meshVersion?.map(({ Component, Info }) => [Component, Info.version, Info.revision]),
      [['pilot', '1.32.0', 'ambit']],
    );
    assert.equal(version.dataPlaneVersion?.length, 1);

    const [header, ...proxies] = rows(await ok('proxy-status'));
    assert.equal(header, 'NAME CLUSTER ISTIOD VERSION SUBSCRIBED TYPES');
    assert.match(proxies.join('\n'), /^ztunnel-\S+ Kubernetes istiod-\S+ (?:\S+ )?2 \(WADS,WDS\)$/u);
    const verbose = await ok('proxy-status', '-v', '1');
    assert.equal(verbose.match(/SYNCED/gu)?.length, 2, verbose);
    assert.match(await ok('x', 'internal-debug', 'syncz'), /"proxy_type": "ztunnel"/u);
    assert.match(await ok('remote-clusters'), /^Kubernetes\s+synced\s+istiod-/mu);

    assert.match(await ok('ztunnel-config', 'workloads', '--node', 'node-1'), /istio-system\s+istiod-/u);
    assert.match(await ok('tag', 'list'), /default/u);

    assert.match(await ok('waypoint', 'apply', '-n', 'default', '--wait'), /waypoint default\/waypoint applied/u);
    assert.match(await ok('waypoint', 'list', '-n', 'default'), /^waypoint\s+default\s+none\s+True$/mu);
    assert.match(await ok('waypoint', 'status', '-n', 'default'), /^waypoint\s+True\s+Programmed/mu);
    assert.match(await ok('proxy-status'), /^waypoint-\S+/mu);
    assert.match(await ok('waypoint', 'delete', '-n', 'default', 'waypoint'), /deleted/u);

    const analyzed = await client.run(['analyze', '-A']);
    assert.equal(analyzed.code, 0, analyzed.stdout + analyzed.stderr);
  },
  { timeout: 300_000 },
);
