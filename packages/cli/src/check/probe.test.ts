import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProbedPair, probeFinding, resultsOf, seenBy } from './probe.ts';
import { pairsOf, probePod } from './probe-pods.ts';

const pair: ProbedPair = {
  from: 'node-a',
  to: 'node-b',
  client: 'client-0',
  server: 'server-1',
  result: { target: '10.0.0.1:8080', answeredBy: 'server-1', elapsedMs: 12.4, error: '' },
};
const principal = 'spiffe://cluster.local/ns/p/sa/client-0';
const labels = (policy: string): ReadonlyMap<string, string> =>
  new Map([
    ['reporter', 'destination'],
    ['source_workload_namespace', 'p'],
    ['source_workload', 'client-0'],
    ['destination_workload', 'server-1'],
    ['connection_security_policy', policy],
    ['source_principal', principal],
  ]);

test('a pair is fine only when the right server answered over mTLS and saw the identity of the client', () => {
  assert.deepEqual(probeFinding(pair, labels('mutual_tls')), {
    category: 'probe',
    state: 'ok',
    text: `node-a -> node-b: mTLS as ${principal}, answered in 12 ms`,
  });
  assert.match(probeFinding(pair, labels('unknown')).text, /without mTLS/);
  assert.equal(probeFinding({ ...pair, client: 'client-3' }, labels('mutual_tls')).state, 'failed');
  assert.equal(probeFinding(pair, undefined).state, 'warning');
  assert.equal(probeFinding({ ...pair, server: 'server-2' }, labels('mutual_tls')).state, 'failed');
  assert.equal(probeFinding({ ...pair, result: undefined }, undefined).state, 'failed');
  const refused = { target: 'x', answeredBy: '', elapsedMs: 1, error: 'connect ECONNREFUSED' };
  assert.match(probeFinding({ ...pair, result: refused }, undefined).text, /no answer: connect ECONNREFUSED/);
});

test('only what the node proxy of the destination counted of this very pair is taken', () => {
  const sample = { name: 'istio_tcp_connections_opened_total', labels: labels('mutual_tls'), value: 1 };
  assert.equal(seenBy([sample], 'p', pair), sample.labels);
  assert.equal(seenBy([sample], 'other', pair), undefined);
  assert.equal(seenBy([{ ...sample, value: 0 }], 'p', pair), undefined);
});

test('what a client prints beside its results is left out', () => {
  assert.deepEqual(resultsOf(`starting\n${JSON.stringify(pair.result)}\n{"target":\n`), [pair.result]);
});

test('every node is probed towards every node, and where there are many towards the next ones', () => {
  assert.equal(pairsOf(3, 10).length, 9);
  const many = pairsOf(50, 10);
  assert.equal(many.length, 500);
  assert.deepEqual(
    new Set(many.filter(([from]) => from === 45).map(([, to]) => to)),
    new Set([45, 46, 47, 48, 49, 0, 1, 2, 3, 4]),
  );
});

test('a pod of the probe needs no right that the strictest pod security forbids', () => {
  const [, pod] = probePod({ namespace: 'p', name: 'a', node: 'n', image: 'i', args: [], isServer: true });
  const spec = pod?.['spec'] as {
    securityContext: { runAsNonRoot: boolean; seccompProfile: { type: string } };
    containers: readonly { securityContext: { allowPrivilegeEscalation: boolean; capabilities: { drop: string[] } } }[];
  };
  assert.equal(spec.securityContext.runAsNonRoot, true);
  assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault');
  assert.equal(spec.containers[0]?.securityContext.allowPrivilegeEscalation, false);
  assert.deepEqual(spec.containers[0].securityContext.capabilities.drop, ['ALL']);
});
