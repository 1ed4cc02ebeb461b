// Test objects of @ambit/resources: short ways to write a pod, a service, a namespace. For tests only.
import type { Namespace, Pod, Service } from '../index.ts';

/** A ready pod with one address on `node-a`. */
export function testPod(namespace: string, name: string, ip: string, extra: Partial<Pod['metadata']> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: `uid-${namespace}-${name}`, ...extra },
    spec: { nodeName: 'node-a', serviceAccountName: 'default', containers: [{ name: 'app', image: 'example/app' }] },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

/** A Service with one http port 80 -> 8080. */
export function testService(namespace: string, name: string, ip: string, selector: Record<string, string>): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { clusterIP: ip, selector, ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  };
}

/** A namespace with labels. */
export function testNamespace(name: string, labels: Record<string, string> = {}): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}
