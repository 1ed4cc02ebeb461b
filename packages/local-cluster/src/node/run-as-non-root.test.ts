import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../controllers/objects.ts';
import { checkUser } from './run-as-non-root.ts';

type SecurityContext = NonNullable<Container['securityContext']>;

const refusal = (ofPod: SecurityContext, ofContainer: SecurityContext, user: number, hasOwnUser: boolean): string => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: [], securityContext: ofPod },
  } as unknown as Pod;
  const container = { name: 'c', image: 'i', securityContext: ofContainer } as unknown as Container;
  try {
    checkUser(pod, container, { user, hasOwnUser });
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

test('runAsNonRoot is held as the kubelet does', () => {
  assert.equal(refusal({}, {}, 0, true), 'none');
  assert.equal(refusal({ runAsNonRoot: true }, {}, 20_001, true), 'none');
  assert.match(
    refusal({ runAsNonRoot: true }, {}, 0, true),
    /image will run as root \(pod: "p_n\(u\)", container: c\)/,
  );
  assert.match(refusal({}, { runAsNonRoot: true, runAsUser: 0 }, 20_001, true), /runAsUser breaks non-root policy/);
  assert.equal(refusal({ runAsNonRoot: true }, { runAsUser: 1337 }, 0, true), 'none');
  assert.equal(refusal({ runAsNonRoot: true }, { runAsNonRoot: false }, 0, true), 'none');
});

test('where pods have no user of their own, only a pod that contradicts itself is refused', () => {
  assert.equal(refusal({ runAsNonRoot: true }, {}, 0, false), 'none');
  assert.match(refusal({ runAsNonRoot: true, runAsUser: 0 }, {}, 0, false), /breaks non-root policy/);
});
