import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { testModel } from '../testing/index.ts';
import { SUPPORTED_FILTERS } from './waypoint-config/filters.ts';

/** Conditions of an HTTPRoute with one rule, as `type status reason message`. */
function conditionsOf(rule: object): string[] {
  const model = testModel([
    testNamespace('apps'),
    testPod('apps', 'web-1', '10.0.0.2', { labels: { app: 'web' } }),
    testService('apps', 'web', '10.96.0.10', { app: 'web' }),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'web', namespace: 'apps' },
      spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web' }], rules: [rule] },
    },
  ]);
  for (const status of model.statuses()) {
    if (!('parents' in status)) continue;
    return status.parents.flatMap(({ conditions }) =>
      conditions.map(({ type, status: is, reason, message }) => `${type} ${is} ${reason} ${message}`),
    );
  }
  return [];
}

const backendRefs = [{ name: 'web', port: 80 }];

test('a rule with a filter that waypoints do not apply is told, wherever the filter stands', () => {
  const filters = [{ type: 'ExternalAuth', externalAuth: {} }];
  const wanted =
    'Accepted False UnsupportedValue rule 0: filters of type ExternalAuth are not supported, its requests are answered 500';
  assert.equal(conditionsOf({ backendRefs, filters })[0], wanted);
  assert.equal(conditionsOf({ backendRefs: [{ ...backendRefs[0], filters }] })[0], wanted);
  for (const type of SUPPORTED_FILTERS)
    assert.equal(conditionsOf({ backendRefs, filters: [{ type }] })[0], 'Accepted True Accepted Route was valid', type);
});

test('a mirror to a backend that is not there is told like any other', () => {
  const mirror = (name: string) => [{ type: 'RequestMirror', requestMirror: { backendRef: { name, port: 80 } } }];
  assert.match(conditionsOf({ backendRefs, filters: mirror('web') })[1] ?? '', /^ResolvedRefs True /);
  assert.match(conditionsOf({ backendRefs, filters: mirror('none') })[1] ?? '', /^ResolvedRefs False BackendNotFound /);
});
