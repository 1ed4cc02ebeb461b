import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EnablementSelector, shouldBeEnrolled, standardSelectors } from './eligible.ts';

const rules = { selectors: standardSelectors, excludedNamespaces: ['kube-system'] };
const mode = 'istio.io/dataplane-mode';
const labelled = (value: string | undefined): Record<string, string> => (value === undefined ? {} : { [mode]: value });

const cases: readonly {
  readonly namespace?: string;
  readonly pod?: string;
  readonly sidecar?: boolean;
  readonly host?: boolean;
  readonly excluded?: boolean;
  readonly enrolled: boolean;
}[] = [
  { namespace: 'ambient', enrolled: true },
  { namespace: 'ambient', pod: 'ambient', enrolled: true },
  { namespace: 'ambient', pod: 'other', enrolled: true },
  { namespace: 'ambient', pod: 'none', enrolled: false },
  { pod: 'ambient', enrolled: true },
  { namespace: 'none', pod: 'ambient', enrolled: true },
  { pod: 'other', enrolled: false },
  { enrolled: false },
  { namespace: 'ambient', sidecar: true, enrolled: false },
  { namespace: 'ambient', host: true, enrolled: false },
  { namespace: 'ambient', excluded: true, enrolled: false },
];

for (const { namespace, pod, sidecar = false, host = false, excluded = false, enrolled } of cases) {
  const facts = `namespace ${namespace ?? '-'}, pod ${pod ?? '-'}${sidecar ? ', sidecar' : ''}${host ? ', host network' : ''}${excluded ? ', excluded' : ''}`;
  test(`${facts}: ${enrolled ? 'enrolled' : 'left alone'}`, () => {
    const object = {
      metadata: {
        namespace: excluded ? 'kube-system' : 'shop',
        labels: labelled(pod),
        ...(sidecar ? { annotations: { 'sidecar.istio.io/status': '' } } : {}),
      },
      spec: { hostNetwork: host },
    };
    assert.equal(shouldBeEnrolled(object, { metadata: { labels: labelled(namespace) } }, rules), enrolled);
  });
}

test('a container that is only named like a sidecar does not exclude a pod', () => {
  const pod = {
    metadata: { namespace: 'shop', labels: labelled('ambient') },
    spec: { containers: [{ name: 'istio-proxy' }] },
  };
  assert.equal(shouldBeEnrolled(pod, { metadata: {} }, rules), true);
});

test('selectors of the operator decide: expressions, an empty one for everything, none for nothing', () => {
  const everything: EnablementSelector = { podSelector: {}, namespaceSelector: {} };
  const team = (operator: string, values?: string[]): EnablementSelector => ({
    podSelector: {},
    namespaceSelector: { matchExpressions: [{ key: 'team', operator, ...(values === undefined ? {} : { values }) }] },
  });
  const pod = { metadata: { namespace: 'shop' } };
  const asks = (selector: EnablementSelector, labels: Readonly<Record<string, string>>) =>
    shouldBeEnrolled(pod, { metadata: { labels } }, { selectors: [selector], excludedNamespaces: [] });
  assert.deepEqual(
    [
      asks(everything, {}),
      asks(team('Exists'), { team: 'a' }),
      asks(team('Exists'), {}),
      asks(team('NotIn', ['a']), { team: 'a' }),
      asks(team('NotIn', ['a']), { team: 'b' }),
    ],
    [true, true, false, false, true],
  );
  assert.equal(shouldBeEnrolled(pod, { metadata: {} }, { selectors: [], excludedNamespaces: [] }), false);
});

test('a node proxy is never enrolled, though selectors of the operator match it', () => {
  const everything = { selectors: [{ podSelector: {}, namespaceSelector: {} }], excludedNamespaces: [] };
  const of = (namespace: string, app: string) => ({ metadata: { namespace, labels: { app } } });
  const asks = (pod: ReturnType<typeof of>) =>
    shouldBeEnrolled(pod, { metadata: {} }, { ...everything, systemNamespace: 'istio-system' });
  assert.deepEqual(
    [asks(of('istio-system', 'ztunnel')), asks(of('shop', 'ztunnel')), asks(of('istio-system', 'web'))],
    [false, true, true],
  );
});
