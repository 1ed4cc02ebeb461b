// The local cluster in netns mode: a workload from deployment to deletion, what pods may see, crash and clean-up. Root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  askImage,
  type Loose,
  startTestCluster,
  type TestCluster,
  walkWorkload,
  webImage,
  webObjects,
} from '../fixtures/local-cluster.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const shell = { match: 'test/shell', command: ['/bin/sh', '-c'] };

const namespacesOf = (id: string): string[] =>
  execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.startsWith(`ambit-${id}-`));

async function runOnce(cluster: TestCluster, name: string, command: string, extra: Loose = {}): Promise<string> {
  const { container = {}, ...spec } = extra as { container?: object };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: 'test/shell', args: [command], ...container }],
      ...spec,
    },
  };
  await cluster.api('POST', '/api/v1/namespaces/default/pods', pod);
  await cluster.until(`the end of ${name}`, async () => {
    const { status } = await cluster.api('GET', `/api/v1/namespaces/default/pods/${name}`);
    return status?.phase === 'Succeeded' || status?.phase === 'Failed';
  });
  return cluster.log('default', name);
}

test('a workload walks from deployment to deletion and nothing is left', { skip, timeout: 120_000 }, async () => {
  const cluster = await startTestCluster('netns', [webImage, askImage]);
  const { id } = cluster.file;
  {
    await using running = cluster;
    await walkWorkload(running);
    assert.equal(namespacesOf(id).length, 3, 'the nodes and the transit namespace');
  }
  assert.deepEqual(namespacesOf(id), []);
  assert.equal(cluster.process.exitCode, 0, cluster.output());
});

test(
  'a pod is unprivileged and sees neither the state folder nor home folders',
  { skip, timeout: 60_000 },
  async () => {
    await using cluster = await startTestCluster('netns', [shell]);
    const text = await runOnce(
      cluster,
      'look',
      `id -u; grep CapEff /proc/self/status; ls /root /home; ls ${cluster.stateDir}; touch /usr/x; touch /opt/ambit/x; ls /proc | grep -c '^[0-9]'; cat /etc/shadow; echo x > /tmp/x && echo own-tmp`,
    );
    assert.match(text, /^1\d{5}\n/);
    assert.match(text, /CapEff:\s+0000000000000000\n/);
    assert.match(text, /\/root:\n/);
    assert.match(text, /No such file or directory/);
    assert.equal(text.match(/Read-only file system/g)?.length, 2, text);
    assert.match(text, /own-tmp/);
    const refused = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'host', namespace: 'default' },
      spec: {
        containers: [
          {
            name: 'main',
            image: 'test/shell',
            args: ['cat /host/etc/shadow'],
            volumeMounts: [{ name: 'h', mountPath: '/host' }],
          },
        ],
        volumes: [{ name: 'h', hostPath: { path: '/' } }],
      },
    };
    await cluster.api('POST', '/api/v1/namespaces/default/pods', refused);
    const events = await cluster.until('the refusal', async () => {
      const list = await cluster.api('GET', '/api/v1/namespaces/default/events');
      return list.items.find((event: Loose) => event.reason === 'FailedMount');
    });
    assert.match(events.message, /not granted/);
  },
);

test('output and terminals are what programs expect of them', { skip, timeout: 60_000 }, async () => {
  await using cluster = await startTestCluster('netns', [shell]);
  const text = await runOnce(
    cluster,
    'names',
    'echo one > /dev/stdout; echo two > /dev/stderr; echo three > /proc/1/fd/1',
  );
  assert.deepEqual(text.trim().split('\n').sort(), ['one', 'three', 'two']);
  const tty = await runOnce(cluster, 'tty', 'tty; echo $TERM', { container: { tty: true } });
  assert.match(tty, /^\/dev\/pts\/0\r?\nxterm/);
  const links = await runOnce(cluster, 'links', 'env');
  assert.match(links, /^KUBERNETES_PORT_443_TCP=tcp:\/\/10\.96\.0\.1:443$/m);
  assert.match(links, /^KUBERNETES_PORT_443_TCP_ADDR=10\.96\.0\.1$/m);
});

test(
  'a process that ignores the request to end gets the grace that the pod gives',
  { skip, timeout: 60_000 },
  async () => {
    await using cluster = await startTestCluster('netns', [shell]);
    const path = '/api/v1/namespaces/default/pods/slow';
    const stubborn = "trap '' TERM; echo set; while true; do sleep 0.1; done";
    await cluster.api('POST', '/api/v1/namespaces/default/pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'slow' },
      spec: {
        terminationGracePeriodSeconds: 3,
        initContainers: [{ name: 'side', image: 'test/shell', args: [stubborn], restartPolicy: 'Always' }],
        containers: [{ name: 'main', image: 'test/shell', args: [stubborn] }],
      },
    });
    await cluster.until('the start', async () => (await cluster.api('GET', path)).status?.phase === 'Running');
    for (const name of ['main', 'side']) {
      await cluster.until(
        `the trap of ${name}`,
        async () => (await cluster.log('default', 'slow', `?container=${name}`)) === 'set\n',
      );
    }
    const startMs = Date.now();
    await cluster.api('DELETE', path);
    await cluster.until(
      'the end',
      async () => (await cluster.api('GET', path, undefined, { tolerate: true })).code === 404,
    );
    const tookMs = Date.now() - startMs;
    assert.ok(tookMs >= 3000, `the grace was cut to ${tookMs} ms`);
  },
);

const hasMemoryGroups =
  existsSync('/sys/fs/cgroup/memory/cgroup.procs') ||
  (existsSync('/sys/fs/cgroup/cgroup.subtree_control') &&
    readFileSync('/sys/fs/cgroup/cgroup.subtree_control', 'utf8').includes('memory'));
const skipMemory = skip !== false ? skip : hasMemoryGroups ? false : 'needs a memory cgroup';

test('a container over its memory limit is killed and says so', { skip: skipMemory, timeout: 60_000 }, async () => {
  await using cluster = await startTestCluster('netns', [{ match: 'test/node', command: ['${NODE}', '-e'] }]);
  const hungry = 'const all = []; while (all.length < 512) all.push(Buffer.alloc(1 << 20, 1));';
  await runOnce(cluster, 'hungry', hungry, {
    container: { image: 'test/node', resources: { limits: { memory: '128Mi' } } },
  });
  const { status } = await cluster.api('GET', '/api/v1/namespaces/default/pods/hungry');
  const { exitCode, signal, reason } = status.containerStatuses[0].state.terminated;
  assert.deepEqual({ exitCode, signal, reason }, { exitCode: 137, signal: 9, reason: 'OOMKilled' });
});

test('the next start cleans what a crash left behind', { skip, timeout: 60_000 }, async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-cluster-'));
  try {
    const first = await startTestCluster('netns', [webImage], stateDir);
    const { deployment } = webObjects('v1');
    await first.api('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
    await first.until(
      'two ready pods',
      async () =>
        (await first.api('GET', '/apis/apps/v1/namespaces/default/deployments/web')).status?.availableReplicas === 2,
    );
    const before = namespacesOf(first.file.id);
    assert.equal(before.length, 5);
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    assert.deepEqual(namespacesOf(first.file.id), before);

    await using second = await startTestCluster('netns', [webImage], stateDir);
    assert.equal(second.file.id, first.file.id);
    await second.until('two ready pods again', async () => {
      const pods = await second.api('GET', '/api/v1/pods');
      return (
        pods.items.length === 2 &&
        pods.items.every((pod: Loose) =>
          pod.status.conditions?.some((c: Loose) => c.type === 'Ready' && c.status === 'True'),
        )
      );
    });
    assert.equal(namespacesOf(second.file.id).length, 5);
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});

test('a host port leads to its pod from another node, also after a reboot', { skip, timeout: 60_000 }, async () => {
  await using cluster = await startTestCluster('netns', [webImage, askImage]);
  const pod = (name: string, nodeName: string, container: object): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers: [{ name, ...container }] },
  });
  const path = '/api/v1/namespaces/default/pods';
  const web = {
    image: 'test/web',
    env: [{ name: 'VERSION', value: 'v1' }],
    ports: [{ containerPort: 8080, hostPort: 18_080 }],
    readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
  };
  await cluster.api('POST', path, pod('web', 'node-1', web));
  const { status } = await cluster.api('GET', '/api/v1/nodes/node-1');
  const url = `http://${status.addresses[0].address}:18080/`;
  await cluster.api('POST', path, pod('ask', 'node-2', { image: 'test/ask', args: [url] }));
  const answered = async (): Promise<boolean> =>
    (await cluster.log('default', 'ask', '?tailLines=1')).includes(`${url} -> v1 web`);
  await cluster.until('an answer of the host port', answered);

  const reboot = { metadata: { annotations: { 'ambit.io/reboot': 'now' } } };
  await cluster.api('PATCH', '/api/v1/nodes/node-1', reboot, { type: 'application/merge-patch+json' });
  await cluster.until('the pod again', async () => {
    const { status: now } = await cluster.api('GET', `${path}/web`);
    return now.containerStatuses?.[0]?.restartCount === 1 && now.containerStatuses[0].ready === true;
  });
  await cluster.until('an answer after the reboot', answered);
});
