// In: a cluster in memory. Out: nothing; the cluster then holds who may ask. Called by the tests of the certificate authority.
import type { MemoryCluster } from '@ambit/kube/testing';
import { testNamespace, testPod } from '@ambit/resources/testing';

/** Puts a node proxy, whose token is `ztunnel`, and one pod on its node: who may ask the certificate authority for whom. */
export function putNodeWithPod(cluster: MemoryCluster): void {
  for (const name of ['istio-system', 'apps']) cluster.put(testNamespace(name));
  const onNode = (pod: ReturnType<typeof testPod>, serviceAccountName: string): void =>
    cluster.put({ ...pod, spec: { containers: [], ...pod.spec, nodeName: 'node-a', serviceAccountName } });
  onNode(testPod('apps', 'web', '10.0.0.1'), 'default');
  onNode(testPod('istio-system', 'ztunnel-a', '10.0.0.2', { uid: 'uid-a' }), 'ztunnel');
  cluster.tokens.set('ztunnel', {
    isAuthenticated: true,
    username: 'system:serviceaccount:istio-system:ztunnel',
    groups: ['system:serviceaccounts'],
    audiences: ['istio-ca'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['ztunnel-a'],
      'authentication.kubernetes.io/pod-uid': ['uid-a'],
    },
    error: '',
  });
}
