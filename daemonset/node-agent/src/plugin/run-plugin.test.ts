import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { standardSelectors } from '../select/eligible.ts';
import { parseAddRequest } from './add-request.ts';
import { addressesOfResult, parseArguments } from './network-config.ts';
import { type ApiObject, type PluginWorld, runPlugin } from './run-plugin.ts';

const previous = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0' }],
  ips: [{ address: '10.0.0.5/24', gateway: '10.0.0.1', interface: 0 }],
};
const config = {
  cniVersion: '1.0.0',
  type: 'istio-cni',
  cni_agent_run_dir: '/run/test',
  ambient_enabled: true,
  enablement_selectors: standardSelectors,
  exclude_namespaces: ['kube-system'],
  pod_namespace: 'istio-system',
  enable_ambient_detection_retry: true,
  prevResult: previous,
};
const ambient: ApiObject = { metadata: { labels: { 'istio.io/dataplane-mode': 'ambient' } } };
const plain: ApiObject = { metadata: { labels: {} } };

function world(
  change: Partial<PluginWorld> & {
    readonly command?: string;
    readonly pod?: string;
    readonly settings?: object;
    /** Answer to the question whether the pod belongs in the mesh; 404 from agents that do not know the question. */
    readonly decides?: number;
  } = {},
): { readonly world: PluginWorld; readonly posts: string[]; readonly told: unknown[] } {
  const posts: string[] = [];
  const told: unknown[] = [];
  return {
    posts,
    told,
    world: {
      environment: {
        CNI_COMMAND: change.command ?? 'ADD',
        CNI_NETNS: '/var/run/netns/cni-1',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${change.pod?.split('/')[0] ?? 'shop'};K8S_POD_NAME=${change.pod?.split('/')[1] ?? 'web'}`,
      },
      stdin: JSON.stringify({ ...config, ...change.settings }),
      connect: () => async () => ({ pod: { metadata: { name: 'web', namespace: 'shop' } }, namespace: ambient }),
      post: async (_runDir, path, body) => {
        if (path === '/ambit/add' && change.decides === undefined) return { status: 404, body: 'not found\n' };
        posts.push(body);
        return { status: change.decides ?? 200, body: '' };
      },
      pause: async () => undefined,
      tell: async (runDir, message, fields) => void told.push({ runDir, message, fields }),
      ...change,
    },
  };
}

test('a selected pod is announced with its namespace and addresses, and the result before is handed on', async () => {
  const { world: given, posts } = world();
  const outcome = await runPlugin(given);
  assert.equal(outcome.status, 0);
  assert.deepEqual(JSON.parse(outcome.stdout), previous);
  assert.deepEqual(JSON.parse(posts[0] ?? ''), {
    Netns: '/var/run/netns/cni-1',
    PodName: 'web',
    PodNamespace: 'shop',
    IPs: [{ Interface: 0, Address: { IP: '10.0.0.5', Mask: '////AA==' }, Gateway: '10.0.0.1' }],
  });
  assert.deepEqual(parseAddRequest(posts[0] ?? ''), {
    netns: '/var/run/netns/cni-1',
    name: 'web',
    namespace: 'shop',
    uid: '',
    ips: ['10.0.0.5'],
  });
});

test('which pod of that name is meant is said where the runtime tells', async () => {
  const { world: given, posts } = world();
  const environment = { ...given.environment, CNI_ARGS: `${given.environment['CNI_ARGS'] ?? ''};K8S_POD_UID=u-1` };
  await runPlugin({ ...given, environment });
  assert.equal(parseAddRequest(posts[0] ?? '')?.uid, 'u-1');
});

test('addresses of a request end in rules: what is no address is left out', () => {
  const entry = (IP: unknown) => ({ Address: { IP } });
  const body = {
    Netns: '/var/run/netns/cni-1',
    PodName: 'web',
    PodNamespace: 'shop',
    IPs: [
      entry('10.0.0.5 } ; flush ruleset ; #'),
      entry('10.0.0.5\nadd table inet x'),
      entry('fe80::1%eth0'),
      entry(7),
      entry('::ffff:10.0.0.6'),
      entry('fd00::1'),
    ],
  };
  assert.deepEqual(parseAddRequest(JSON.stringify(body))?.ips, ['10.0.0.6', 'fd00::1']);
});

test('pods that do not belong in the mesh start without the agent', async () => {
  const nobody = {
    connect: () => async () => Promise.reject(new Error('no API')),
    post: async () => Promise.reject(new Error('no agent')),
  };
  for (const given of [
    world({ ...nobody, pod: 'kube-system/dns' }),
    world({ ...nobody, pod: 'istio-system/istio-cni-node-x' }),
    world({ ...nobody, settings: { ambient_enabled: false } }),
    world({ ...nobody, command: 'DEL', stdin: 'rubbish' }),
    world({ ...nobody, command: 'CHECK' }),
    world({ post: nobody.post, connect: () => async () => ({ pod: plain, namespace: plain }) }),
  ])
    assert.equal((await runPlugin(given.world)).status, 0);
});

test('what cannot be known is asked again, then the pod does not start, unless the operator chose so', async () => {
  let asked = 0;
  const read = async (): Promise<never> => {
    asked += 1;
    throw new Error('connection refused');
  };
  const closed = await runPlugin(world({ connect: () => read }).world);
  assert.equal(asked, 31);
  assert.deepEqual([closed.status, JSON.parse(closed.stdout).code], [1, 999]);
  const open = await runPlugin(
    world({ connect: () => read, settings: { enable_ambient_detection_retry: false } }).world,
  );
  assert.equal(open.status, 0);
});

test('selectors that cannot be judged are as good as an API that does not answer', async () => {
  for (const matchExpressions of ['x', [null]])
    for (const [enable_ambient_detection_retry, status] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const enablement_selectors = [{ podSelector: { matchExpressions }, namespaceSelector: {} }];
      const given = world({ settings: { enablement_selectors, enable_ambient_detection_retry } });
      assert.equal((await runPlugin(given.world)).status, status);
      assert.deepEqual(given.posts, []);
    }
});

test('an agent that decides is asked once, and nothing else is', async () => {
  const connect = (): never => assert.fail('the API was asked');
  const yes = world({ connect, decides: 200 });
  assert.equal((await runPlugin(yes.world)).status, 0);
  assert.equal(yes.posts.length, 1);
  const no = world({ connect, decides: 500 });
  assert.equal((await runPlugin(no.world)).status, 1);
});

test('without what the agent leaves in its run folder the pod does not start, at once and whatever the operator chose', async () => {
  const connect = (): never => {
    throw new Error('ENOENT: istio-cni-kubeconfig');
  };
  const pause = async (): Promise<never> => Promise.reject(new Error('waited'));
  for (const settings of [{}, { enable_ambient_detection_retry: false }]) {
    const { status, stdout } = await runPlugin(world({ connect, pause, settings }).world);
    assert.equal(status, 1);
    assert.match(stdout, /waits for the node agent: ENOENT/);
  }
  // What needs nobody still starts.
  for (const pod of ['kube-system/dns', 'istio-system/istio-cni-node-x'])
    assert.equal((await runPlugin(world({ connect, pause, pod }).world)).status, 0, pod);
  // The agent's name elsewhere is a name like any other.
  assert.equal((await runPlugin(world({ connect, pause, pod: 'shop/istio-cni-node-x' }).world)).status, 1);
});

test("the agent's reason stands in the error that the runtime shows", async () => {
  const refused = await runPlugin(
    world({ post: async () => ({ status: 500, body: 'no node proxy is connected\n' }) }).world,
  );
  assert.equal(refused.status, 1);
  assert.match(refused.stdout, /failed to contact node Istio CNI agent: status 500: no node proxy is connected/);
  const absent = await runPlugin(world({ post: async () => Promise.reject(new Error('ENOENT')) }).world);
  assert.match(absent.stdout, /ENOENT/);
});

test('every version of the protocol is spoken', async () => {
  const { stdout } = await runPlugin(world({ command: 'VERSION' }).world);
  assert.ok((JSON.parse(stdout) as { supportedVersions: string[] }).supportedVersions.includes('0.4.0'));
  assert.deepEqual(
    addressesOfResult({ cniVersion: '0.2.0', ip4: { ip: '10.0.0.5/16', gateway: '10.0.0.1' } }).map(
      ({ Address }) => Address,
    ),
    [{ IP: '10.0.0.5', Mask: '//8AAA==' }],
  );
  assert.deepEqual(addressesOfResult(undefined), []);
});

test('the result before is handed on unchanged in every version, and without one there is an empty one', async () => {
  for (const cniVersion of ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
    const prevResult = { ...previous, cniVersion, dns: { nameservers: ['10.96.0.10'] }, anything: [1, { else: true }] };
    const outcome = await runPlugin(world({ decides: 200, settings: { cniVersion, prevResult } }).world);
    assert.deepEqual(JSON.parse(outcome.stdout), prevResult);
    const alone = await runPlugin(world({ decides: 200, settings: { cniVersion, prevResult: undefined } }).world);
    assert.deepEqual(JSON.parse(alone.stdout), { cniVersion });
  }
});

test('commands that need nothing succeed at once, whatever their input is', async () => {
  for (const command of ['DEL', 'CHECK', 'STATUS', 'GC', 'WHATEVER']) {
    const connect = (): never => assert.fail('the API was asked');
    const post = async (): Promise<never> => assert.fail('the agent was asked');
    assert.deepEqual(await runPlugin(world({ command, stdin: '{', connect, post }).world), { stdout: '', status: 0 });
  }
});

test('a configuration of megabytes is refused before it is read', async () => {
  const { status, stdout } = await runPlugin(world({ settings: { padding: 'x'.repeat(1024 * 1024) } }).world);
  assert.equal(status, 1);
  assert.match(stdout, /cannot read its configuration: it has more than 1048576 characters/);
});

test('any input ends with a result or a CNI error', async () => {
  assert.deepEqual(parseArguments('a=1;;=2;b;c=d=e'), { a: '1', c: 'd=e' });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (stdin) => {
      const { status, stdout } = await runPlugin(world({ stdin }).world);
      assert.ok(status === 0 || JSON.parse(stdout).code === 999);
      parseAddRequest(stdin);
    }),
  );
});

test('why a pod could not be added is written down with its name, and nothing is about one that was', async () => {
  const { world: failing, told } = world({ decides: 500 });
  const { status, reason } = await runPlugin(failing);
  assert.equal(status, 1);
  assert.deepEqual(told, [
    { runDir: '/run/test', message: reason, fields: { name: 'web', ns: 'shop', netns: '/var/run/netns/cni-1' } },
  ]);
  const added = world({ decides: 200 });
  await runPlugin(added.world);
  assert.deepEqual(added.told, []);
});
