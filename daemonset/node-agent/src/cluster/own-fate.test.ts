import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { decideFate, type ReadObject } from './own-fate.ts';

const there =
  (object: KubernetesObject | undefined): ReadObject =>
  async () =>
    object;
const failing =
  (code: ConstructorParameters<typeof KubeError>[0]): ReadObject =>
  async () =>
    Promise.reject(new KubeError(code, 'no'));

const daemonSet = (change: object = {}, pool?: string): KubernetesObject => ({
  metadata: { name: 'istio-cni-node', ...change },
  spec: {
    template: {
      spec:
        pool === undefined
          ? {}
          : {
              affinity: {
                nodeAffinity: {
                  requiredDuringSchedulingIgnoredDuringExecution: {
                    nodeSelectorTerms: [{ matchExpressions: [{ key: 'pool', operator: 'In', values: [pool] }] }],
                  },
                },
              },
            },
    },
  },
});
const node = { metadata: { name: 'n1', labels: { pool: 'a' } } };

test('the table of what an agent that stops leaves behind', async () => {
  const cases: readonly (readonly [string, ReadObject, ReadObject, string])[] = [
    ['it is there', there(daemonSet()), failing('ERR_KUBE_FORBIDDEN'), 'keep'],
    ['its affinity has this node', there(daemonSet({}, 'a')), there(node), 'keep'],
    ['its affinity has another node', there(daemonSet({}, 'b')), there(node), 'removed'],
    ['the node is gone, which tells nothing', there(daemonSet({}, 'b')), there(undefined), 'keep'],
    ['it is gone', there(undefined), there(node), 'removed'],
    ['it is going', there(daemonSet({ deletionTimestamp: '2026-11-28T00:00:00Z' })), there(node), 'removed'],
    ['the account is gone', failing('ERR_KUBE_UNAUTHORIZED'), there(node), 'refused'],
    ['the role is gone', failing('ERR_KUBE_FORBIDDEN'), there(node), 'refused'],
    ['the API is away', failing('ERR_KUBE_UNREACHABLE'), there(node), 'keep'],
    ['the connection broke', async () => Promise.reject(new Error('ECONNRESET')), there(node), 'keep'],
  ];
  for (const [what, read, readNode, fate] of cases) assert.equal(await decideFate(read, readNode), fate, what);
});
