// A real node agent and what goes wrong around it: hostile paths and bodies, missing tools, full disks, locks that are held. Root only.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../fixtures/agent-process.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';
import { ask, echoIn } from '../fixtures/pod-calls.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;

test('the plugin socket refuses paths that are no pod, and bodies that are none', { skip, timeout }, async () => {
  await using node = await createAgentNode();
  const pod = node.sandbox('a', '10.202.0.1');
  node.label('a', 'ambient');
  await node.start();
  using _proxy = await node.proxy();
  const add = async (Netns: string): Promise<string> =>
    node.post(
      'pluginevent.sock',
      'POST',
      '/cmdadd',
      JSON.stringify({ Netns, PodName: 'a', PodNamespace: 'shop', IPs: [] }),
    );
  for (const path of [
    `/run/netns/${node.netns}`,
    '/etc/passwd',
    '/run/netns/../../etc/passwd',
    'relative',
    '/nowhere',
    `/${'x'.repeat(5000)}`,
  ])
    assert.match(await add(path), /^500 /, path);
  assert.doesNotMatch(node.exec('nft', 'list', 'ruleset'), /15001/, "the node's own traffic is not captured");
  assert.match(
    await node.post('pluginevent.sock', 'POST', '/cmdadd', 'x'.repeat(200_000)).catch(String),
    /^(4|5)\d\d|Error/,
  );
  assert.match(await node.post('pluginevent.sock', 'POST', '/cmdadd', '{"Netns":'), /^400 /);
  assert.equal(await add(`/run/netns/${pod.namespace}`), '');
  assert.equal(node.state('a'), 'enabled');
});

test(
  'without nft the rules are iptables; without both the agent says what is missing and does not start',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const folder = mkdtempSync(join(tmpdir(), 'ambit-t-path-'));
    try {
      const provide = (...programs: readonly string[]): void => {
        for (const program of programs)
          symlinkSync(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(folder, program));
      };
      provide('ip', 'nsenter', 'sh');
      await assert.rejects(
        node.start({ PATH: folder }),
        /neither nft nor iptables works on this node.*the image must have/s,
      );
      provide('iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore');
      const pod = node.pod('a', '10.202.0.1');
      const agent = await node.start({ PATH: folder });
      assert.ok(agent.lines.some((line) => line.includes('rules by iptables') && line.includes('ipset=false')));
      using _proxy = await node.proxy();
      using _app = await echoIn(pod);
      node.label('a', 'ambient');
      await node.until('a', 'enabled');
      assert.equal(await ask(node.bridgeFd, pod.ip), 'hello', 'probes pass without ipset too');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test(
  'on a full disk the CNI configuration stays whole, the agent is not ready, and both change when there is room',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', node.cniFolder]);
    try {
      const file = join(node.cniFolder, '10-net.conflist');
      const before = '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}';
      writeFileSync(file, before);
      const filler = join(node.cniFolder, 'filler');
      assert.throws(() => writeFileSync(filler, Buffer.alloc(1024 * 1024)), { code: 'ENOSPC' });
      const agent = await node.start();
      assert.equal(readFileSync(file, 'utf8'), before);
      assert.match(await agent.page(8000, '/readyz'), /^503 not ready: the CNI plugin/);
      assert.match(await agent.metrics(), /istio_cni_installs_total\{result="CREATE_CNI_CONFIG_FAILURE"\} [1-3]\n/);
      rmSync(filler);
      await eventually(
        async () => (await agent.page(8000, '/readyz')) === '200 ok',
        () => agent.lines.slice(-10).join('\n'),
        20_000,
      );
      assert.match(readFileSync(file, 'utf8'), /istio-cni/);
    } finally {
      execFileSync('umount', ['-l', node.cniFolder]);
    }
  },
);

test("legacy iptables: a program that holds the node's lock keeps no pod waiting", { skip, timeout }, async () => {
  await using node = await createAgentNode();
  node.pod('a', '10.202.0.1');
  const legacy = { NATIVE_NFTABLES: 'false', FORCE_IPTABLES_BINARY: 'legacy' };
  const agent = await node.start(legacy);
  using proxy = await node.proxy();
  // What every enrolment writes on the node itself needs the lock: it is there before somebody takes it.
  node.label('a', 'ambient');
  await node.until('a', 'enabled');
  const holder = spawn('flock', ['/run/xtables.lock', 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  try {
    node.cluster.put({ ...node.object('a'), metadata: { ...node.object('a').metadata, annotations: {} } });
    await node.until('a', 'enabled');
  } finally {
    holder.stdin.end();
    await once(holder, 'exit');
  }
  assert.ok(proxy.seen.length > 0, agent.lines.slice(-5).join('\n'));
});
