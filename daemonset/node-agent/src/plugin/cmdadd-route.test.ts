import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest, AdminRoute } from '@ambit/runtime/admin';
import { silentLogger } from '@ambit/runtime/log';
import type { KubernetesObject } from '@ambit/resources';
import type { PodSource } from '../cluster/pod-source.ts';
import { standardSelectors } from '../select/eligible.ts';
import { type CmdAddParts, cmdAddRoute, decideAndAddRoute } from './cmdadd-route.ts';

const body = JSON.stringify({
  netns: '/var/run/netns/a',
  podname: 'web',
  PodNamespace: 'shop',
  IPs: [{ Address: { IP: '::ffff:10.0.0.5' } }],
});
const pod: KubernetesObject = { metadata: { name: 'web', namespace: 'shop', uid: 'u' } };

function setUp(options: {
  readonly knownAfter?: number;
  readonly mode?: string;
  readonly fails?: boolean;
  readonly annotations?: Record<string, string>;
}) {
  let looks = 0;
  const enrolled: string[] = [];
  const answers: number[] = [];
  const source = {
    pods: () => {
      looks += 1;
      return looks > (options.knownAfter ?? 0)
        ? [{ metadata: { ...pod.metadata, annotations: options.annotations ?? {} } }]
        : [];
    },
    namespace: () => ({ metadata: { labels: { 'istio.io/dataplane-mode': options.mode ?? 'ambient' } } }),
  } as unknown as PodSource;
  const parts = {
    source,
    enrolment: {
      enrol: async (_pod: KubernetesObject, ips: readonly string[], path?: string) => {
        if (options.fails === true) throw new Error('no node proxy is connected');
        enrolled.push(`${ips.join()} ${path}`);
      },
    },
    rules: { selectors: standardSelectors, excludedNamespaces: [] },
    log: silentLogger,
    onAnswer: (status: number) => answers.push(status),
    pause: async () => undefined,
  } satisfies CmdAddParts;
  const asking = (route: AdminRoute) => async (text: string) =>
    route({ method: 'POST', text: async () => text, signal: new AbortController().signal } as unknown as AdminRequest);
  return { ask: asking(cmdAddRoute(parts)), decide: asking(decideAndAddRoute(parts)), enrolled, answers };
}

test('a pod that the watch does not know yet is waited for', async () => {
  const { ask, enrolled } = setUp({ knownAfter: 5 });
  assert.equal((await ask(body)).status, 200);
  assert.deepEqual(enrolled, ['10.0.0.5 /var/run/netns/a']);
});

test('a pod of the same name from before decides nothing about the one that is started', async () => {
  const of = (uid: string): string => JSON.stringify({ ...(JSON.parse(body) as object), PodUid: uid });
  assert.equal((await setUp({}).ask(of('u'))).status, 200);
  const other = setUp({ mode: 'none' });
  // The API knows the new one: our plugin asks there.
  assert.equal((await other.decide(of('new'))).status, 404);
  const selected = setUp({});
  assert.equal((await selected.ask(of('new'))).status, 500);
  assert.deepEqual(selected.enrolled, []);
  // A static pod has the hash of its file for a UID.
  const hashed = setUp({ annotations: { 'kubernetes.io/config.hash': 'new' } });
  assert.equal((await hashed.ask(of('new'))).status, 200);
});

test('a pod that stays unknown, is not selected, or cannot be enrolled is refused with the reason', async () => {
  assert.deepEqual(await setUp({ knownAfter: 1000 }).ask(body), {
    status: 500,
    body: 'pod shop/web is not known to the node agent yet\n',
  });
  assert.equal((await setUp({ mode: 'none' }).ask(body)).status, 500);
  const failed = await setUp({ fails: true }).ask(body);
  assert.equal(failed.status, 500);
  assert.match(String(failed.body as string), /no node proxy is connected/);
});

test('our plugin leaves the decision to the agent, and asks the API about a pod that the agent does not know', async () => {
  const selected = setUp({});
  assert.equal((await selected.decide(body)).status, 200);
  assert.equal(selected.enrolled.length, 1);
  const plain = setUp({ mode: 'none' });
  assert.equal((await plain.decide(body)).status, 200);
  assert.deepEqual([plain.enrolled, plain.answers], [[], []]);
  assert.equal((await setUp({ knownAfter: 1000 }).decide(body)).status, 404);
  assert.equal((await setUp({ fails: true }).decide(body)).status, 500);
});

test('what is no request is told apart from what failed', async () => {
  const { ask, answers } = setUp({});
  for (const text of ['', '{}', 'null', '[]', '{"netns":1}']) assert.equal((await ask(text)).status, 400, text);
  assert.deepEqual(answers, [400, 400, 400, 400, 400]);
});
