import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '../store/kube-object.ts';
import { Database } from '../store/database.ts';
import { ObjectStore } from '../store/object-store.ts';
import { guardRoles } from './escalation.ts';
import { Authorizer } from './rbac.ts';

const group = 'rbac.authorization.k8s.io';
const alice = { username: 'alice', groups: ['system:authenticated'] };

function objectOf(kind: string, name: string, fields: object, namespace?: string): KubeObject {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: `${group}/v1`, kind, metadata, ...fields } as unknown as KubeObject;
}

const pods = { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] };
const secrets = { apiGroups: [''], resources: ['secrets'], verbs: ['get'] };

test('a role holds no more than its author has, a binding gives no more than its author has', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-rbac-'));
  const store = new ObjectStore(new Database(join(dir, 'db')), Date.now);
  const authorizer = new Authorizer(store);
  try {
    const step = guardRoles(authorizer);
    const ask = (
      kind: string,
      fields: object,
      user: typeof alice | 'nobody' = alice,
      previous?: KubeObject,
    ): string => {
      const resource = `${kind.toLowerCase()}s.${group}`;
      const object = objectOf(kind, 'x', fields, kind.startsWith('Cluster') ? undefined : 'n');
      const operation = previous === undefined ? 'CREATE' : 'UPDATE';
      try {
        step({
          resource,
          operation,
          subresource: undefined,
          object,
          previous,
          user: user === 'nobody' ? undefined : user,
          dryRun: false,
        });
        return 'allowed';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    };
    const bound = (roleRef: object): object => ({ roleRef, subjects: [{ kind: 'User', name: 'alice' }] });
    const given = { kind: 'Role', name: 'own' };
    store.put(`roles.${group}`, objectOf('Role', 'own', { rules: [pods] }, 'n'));
    store.put(`rolebindings.${group}`, objectOf('RoleBinding', 'own', bound(given), 'n'));
    store.put(`clusterroles.${group}`, objectOf('ClusterRole', 'all', { rules: [secrets] }));

    assert.equal(ask('Role', { rules: [{ ...pods, resources: ['pods'], resourceNames: ['one'] }] }), 'allowed');
    assert.match(
      ask('Role', { rules: [pods, secrets] }),
      /^roles.rbac.authorization.k8s.io "x" is forbidden: user "alice" \(groups=\["system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["secrets"\], Verbs:\["get"\]\}$/,
    );
    assert.match(ask('Role', { rules: [{ ...pods, verbs: ['*'] }] }), /not currently held/);
    assert.match(
      ask('ClusterRole', { rules: [pods] }),
      /not currently held/,
      'rights in a namespace are not those of the cluster',
    );
    assert.equal(ask('Role', { rules: [secrets] }, 'nobody'), 'allowed', 'the cluster itself');
    assert.equal(ask('Role', { rules: [secrets] }, { ...alice, groups: ['system:masters'] }), 'allowed');
    const before = objectOf('Role', 'x', { rules: [secrets] }, 'n');
    assert.equal(ask('Role', { rules: [secrets, pods] }, alice, before), 'allowed', 'what was there may stay');
    assert.equal(ask('RoleBinding', bound(given)), 'allowed');
    assert.match(ask('RoleBinding', bound({ kind: 'ClusterRole', name: 'all' })), /not currently held/);

    const free = { apiGroups: [group], resources: ['roles', 'clusterroles'], verbs: ['escalate', 'bind'] };
    store.put(`roles.${group}`, objectOf('Role', 'own', { rules: [pods, free] }, 'n'));
    assert.equal(ask('Role', { rules: [secrets] }), 'allowed');
    assert.equal(ask('RoleBinding', bound({ kind: 'ClusterRole', name: 'all' })), 'allowed');
  } finally {
    authorizer.close();
    store.close();
    rmSync(dir, { recursive: true });
  }
});
