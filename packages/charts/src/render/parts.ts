// In: values. Out: the pieces that several objects share. Pure. Called by the other files of this folder.
import type { MeshValues } from '../values.ts';

/** Labels by which the mesh's own objects are found, and removed, together. */
export const partOf = (component: string): Record<string, string> => ({
  'app.kubernetes.io/name': component,
  'app.kubernetes.io/part-of': 'istio',
  'app.kubernetes.io/managed-by': 'ambit',
  'operator.istio.io/component': component,
});

/** Environment entry with a plain value. */
export const envValue = (name: string, value: string): object => ({ name, value });

/** Environment entry that the node runtime fills from the pod. */
export const envField = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** Environment entries of a record, sorted by name. */
export const envRecord = (record: Readonly<Record<string, string>>): object[] =>
  Object.entries(record)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => envValue(name, value));

/** The token with which a proxy asks the certificate authority; valid 12 hours, rotated by the node. */
export const tokenVolume: object = {
  name: 'istio-token',
  projected: {
    sources: [{ serviceAccountToken: { path: 'istio-token', expirationSeconds: 43_200, audience: 'istio-ca' } }],
  },
};

/** The mesh's root certificate, as the control plane publishes it in every namespace. */
export const rootCertVolume: object = { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } };

/** Address of the control plane for proxies. */
export const controlPlaneAddress = (values: MeshValues): string => `istiod.${values.namespace}.svc:15012`;

/** Daemons stay on every node, whatever its taints. */
export const daemonTolerations: readonly object[] = [
  { effect: 'NoSchedule', operator: 'Exists' },
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
  { effect: 'NoExecute', operator: 'Exists' },
];
