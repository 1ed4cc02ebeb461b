// A node with an interface per pod, as AWS makes them for Security Groups for Pods: probes get their rules with the pod, and lose them with
// it or with the mesh. The interfaces are made up; what is shown is what the kernel has. Root only.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../fixtures/agent-process.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';

test(
  'pods with an interface of their own get the rules of their probes, others do not',
  { skip, timeout: 120_000 },
  async () => {
    await using node = await createAgentNode();
    mkdirSync(join(node.proc, 'sys/net/ipv4'), { recursive: true });
    writeFileSync(join(node.proc, 'sys/net/ipv4/tcp_early_demux'), '0\n');
    node.exec('ip', 'link', 'add', 'vlan.eth.1', 'type', 'veth', 'peer', 'name', 'vlan.peer');
    node.exec('ip', 'link', 'set', 'vlan.eth.1', 'up');
    node.exec('ip', 'rule', 'add', 'iif', 'vlan.eth.1', 'lookup', '101', 'pref', '10');
    node.exec('ip', 'route', 'add', '10.202.0.1/32', 'dev', 'vlan.eth.1', 'table', '101');
    const rules = (): readonly string[] =>
      node
        .exec('ip', 'rule', 'show')
        .split('\n')
        .map((line) => line.replaceAll('\t', ' ').trim())
        .filter((line) => line.startsWith('512:') || line.startsWith('9:'));
    const made = ['9: from all iif vlan.eth.1 lookup local', '512: from all to 10.202.0.1 lookup 101'];
    node.pod('branch', '10.202.0.1');
    node.pod('plain', '10.202.0.2');
    const agent = await node.start();
    await node.proxy();
    for (const name of ['branch', 'plain']) node.label(name, 'ambient');
    for (const name of ['branch', 'plain']) await node.until(name, 'enabled');
    assert.deepEqual(rules(), made);
    node.label('branch', undefined);
    await node.until('branch', undefined);
    await eventually(
      () => rules().length === 0,
      () => rules().join('\n'),
    );
    node.label('branch', 'ambient');
    await node.until('branch', 'enabled');
    assert.deepEqual(rules(), made);
    await node.cluster.delete({ kind: 'DaemonSet', namespace: 'istio-system', name: 'istio-cni-node' });
    await agent.stop();
    assert.deepEqual(rules(), []);
  },
);
