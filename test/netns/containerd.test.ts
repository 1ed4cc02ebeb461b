// A real container runtime makes pod sandboxes through the reference CNI plugins and ours: Debian's containerd, driven over the CRI. Root only.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { missingForContainerd, startContainerd } from '../fixtures/cri/containerd.ts';
import { eventually } from '../fixtures/agent-process.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';

const missing = missingForContainerd();
const skip = process.getuid?.() === 0 ? (missing ?? false) : 'needs root for network namespaces';
if (missing !== undefined) process.stdout.write(`not run: containerd (${missing})\n`);

const chain = (scratch: string): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipam: {
          type: 'host-local',
          dataDir: scratch,
          ranges: [[{ subnet: '10.203.0.0/24' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });

test(
  'containerd starts no sandbox of the mesh before it is captured, and hands it over with its address',
  { skip, timeout: 120_000 },
  async () => {
    await using node = await createAgentNode();
    writeFileSync(join(node.cniFolder, '10-net.conflist'), chain(join(node.run, 'ipam')));
    const agent = await node.start({ NATIVE_NFTABLES: 'true' });
    await using runtime = await startContainerd(node.netns, node);
    const { cri } = runtime;
    const pod = (name: string, uid: string, mode: string | undefined) => {
      node.cluster.put({
        kind: 'Pod',
        metadata: {
          name,
          namespace: 'shop',
          uid,
          labels: mode === undefined ? {} : { 'istio.io/dataplane-mode': mode },
        },
        spec: { nodeName: 'n1', serviceAccountName: name, containers: [] },
        status: { phase: 'Pending' },
      });
      return { name, namespace: 'shop', uid, cgroupParent: `/kubepods-ambit-t-${process.pid}/pod${uid}` };
    };
    const web = pod('web', '11111111-0000-4000-8000-000000000001', 'ambient');
    await assert.rejects(cri.run(web), /no node proxy is connected/, 'the runtime shows why');

    using proxy = await node.proxy();
    const id = await cri.run(web);
    const address = await cri.address(id);
    assert.match(address, /^10\.203\.0\./, runtime.lines.slice(-10).join('\n'));
    assert.equal(node.state('web'), 'enabled');
    assert.ok(proxy.seen.includes(`add ${web.uid}`) && proxy.hasDescriptors);
    assert.match(
      node.exec('nft', 'list', 'set', 'inet', 'istio-ambient-nat', 'istio-inpod-probes-v4'),
      new RegExp(address),
    );
    assert.match(await agent.page(9876, '/debug/enrolment'), new RegExp(`"${address}"`));

    const plain = pod('plain', '11111111-0000-4000-8000-000000000002', undefined);
    const other = await cri.run(plain);
    assert.match(await cri.address(other), /^10\.203\.0\./);
    assert.equal(node.state('plain'), undefined);

    for (const each of [id, other]) {
      await cri.stop(each);
      await cri.remove(each);
    }
    for (const { name } of [web, plain]) node.cluster.remove({ kind: 'Pod', namespace: 'shop', name });
    await eventually(
      () => proxy.seen.includes(`del ${web.uid}`),
      () => proxy.seen.join(),
    );
    assert.equal(await agent.stop(), 0);
  },
);
