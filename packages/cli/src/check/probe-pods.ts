// The pods of `ambit check --probe`. In: nodes and an image. Out: objects of a namespace of its own. Pure. Called by probe.ts.
// They run the image of the waypoint, which every installation has, without rights, and end by themselves should this program die.
import type { KubernetesObject } from '@ambit/resources';
import { labels } from '../cluster/kinds.ts';

/** Port that the servers answer on. */
export const probePort = 8080;
/** The pods end after this time, whatever happens to this program. */
const lifeSeconds = 600;

/** Name of the server's pod and account on the node with this index. */
export const serverName = (index: number): string => `server-${index}`;
/** The same of the client. */
export const clientName = (index: number): string => `client-${index}`;

/** The namespace, in the mesh. */
export const probeNamespace = (name: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    labels: { [labels.dataplaneMode]: 'ambient', 'pod-security.kubernetes.io/enforce': 'restricted' },
  },
});

/** One pod with an account of its own, on one node. */
export function probePod(wish: {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly isServer: boolean;
}): readonly KubernetesObject[] {
  const { namespace, name } = wish;
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        nodeName: wish.node,
        serviceAccountName: name,
        automountServiceAccountToken: false,
        restartPolicy: 'Never',
        activeDeadlineSeconds: lifeSeconds,
        terminationGracePeriodSeconds: 1,
        tolerations: [{ operator: 'Exists' }],
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1337,
          runAsGroup: 1337,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: 'probe',
            image: wish.image,
            args: [...wish.args],
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            ...(wish.isServer && {
              ports: [{ containerPort: probePort }],
              readinessProbe: { tcpSocket: { port: probePort }, periodSeconds: 1 },
            }),
          },
        ],
      },
    },
  ];
}

/** Nodes that each node is probed towards: all others and itself, or where there are many the next ones in a ring. */
export function pairsOf(count: number, most: number): readonly (readonly [from: number, to: number])[] {
  return Array.from({ length: count }, (_, from) => from).flatMap((from) =>
    Array.from({ length: Math.min(count, most) }, (_, step) => [from, (from + step) % count] as const),
  );
}
