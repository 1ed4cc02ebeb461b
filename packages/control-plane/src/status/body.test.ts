import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectConditions, StatusResult } from '@ambit/model';
import type { KubernetesObject } from '@ambit/resources';
import { conditionsBody, statusPatch } from './body.ts';

const bound = { type: 'istio.io/WaypointBound', status: 'True', reason: 'WaypointAccepted', message: 'm' } as const;
const wanted = (conditions: ObjectConditions['conditions']): ObjectConditions => ({
  kind: 'Service',
  namespace: 'apps',
  name: 'web',
  manager: 'istio-ambient-service',
  conditions,
});
const service = (conditions: readonly object[]): KubernetesObject => ({ kind: 'Service', status: { conditions } });

test('a condition that is there already is not written again', () => {
  const known = { ...bound, lastTransitionTime: 'then' };
  assert.equal(conditionsBody(wanted([bound]), service([known]), 'now'), undefined);
  assert.equal(conditionsBody(wanted([]), service([]), 'now'), undefined);
  assert.equal(conditionsBody(wanted([]), service([{ ...bound, type: 'Other' }]), 'now'), undefined);
});

test('the time of a condition changes with its status only', () => {
  const timeOf = (body: KubernetesObject | undefined): unknown =>
    (body?.['status'] as { conditions: { lastTransitionTime: string }[] } | undefined)?.conditions[0]
      ?.lastTransitionTime;
  const known = { ...bound, lastTransitionTime: 'then' };
  assert.equal(timeOf(conditionsBody(wanted([{ ...bound, message: 'other' }]), service([known]), 'now')), 'then');
  assert.equal(timeOf(conditionsBody(wanted([{ ...bound, status: 'False' }]), service([known]), 'now')), 'now');
});

test('an empty wish clears what the writer had set', () => {
  const body = conditionsBody(wanted([]), service([{ ...bound, lastTransitionTime: 'then' }]), 'now');
  assert.deepEqual((body?.['status'] as { conditions: unknown[] } | undefined)?.conditions, []);
});

test('parents of other controllers stay in the status of a route', () => {
  const result: StatusResult = {
    kind: 'HTTPRoute',
    key: 'apps/r',
    parents: [{ parentRef: { name: 'web', kind: 'Service', group: '' }, conditions: [{ ...bound, type: 'Accepted' }] }],
  };
  const foreign = { parentRef: { name: 'gw' }, controllerName: 'example.com/other', conditions: [] };
  const patch = statusPatch(result, { kind: 'HTTPRoute', status: { parents: [foreign] } }, 'now') as {
    status: { parents: { controllerName: string }[] };
  };
  assert.deepEqual(
    patch.status.parents.map((p) => p.controllerName),
    ['example.com/other', 'istio.io/gateway-controller'],
  );
  assert.equal(statusPatch(result, { kind: 'HTTPRoute', status: patch.status }, 'later'), undefined);
});

test('a ListenerSet loses its listeners with its acceptance, keeps conditions of others, and is written once', () => {
  const result: StatusResult = {
    kind: 'ListenerSet',
    key: 'apps/more',
    conditions: [{ type: 'Accepted', status: 'False', reason: 'NotAllowed', message: 'm' }],
    listeners: [],
  };
  const foreign = { type: 'Other', status: 'True' };
  const current = { kind: 'ListenerSet', status: { conditions: [foreign], listeners: [{ name: 'old' }] } };
  const patch = statusPatch(result, current, 'now') as { status: object } | undefined;
  const own = { type: 'Accepted', status: 'False', reason: 'NotAllowed', message: 'm', lastTransitionTime: 'now' };
  assert.deepEqual(patch, { status: { conditions: [foreign, own], listeners: [] } });
  assert.equal(statusPatch(result, { kind: 'ListenerSet', ...patch }, 'later'), undefined);
});
