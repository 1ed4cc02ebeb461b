// Values of the chart `gateway`: an ingress or egress gateway, as a Gateway object of class `istio` that the control plane deploys.
import Type from 'typebox';
import { commonFields, count, flag, globalFields, group, list, map, text, texts, words } from './fields.ts';

/** Schema of the chart's values. */
export const gatewayValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    name: text('', 'Name of the gateway; empty = the release name.'),
    labels: texts({}, 'Labels of the Gateway.'),
    annotations: texts({}, 'Annotations of the Gateway.'),
    hostname: text('', 'Host name of the listeners; empty = all.'),
    allowedRoutes: map({ namespaces: { from: 'All' } }, 'Whose routes attach.'),
    networkGateway: text('', 'Network that this gateway leads into (east-west); empty = none.'),
    service: group(
      {
        type: text('LoadBalancer', 'Type of the Service.'),
        ports: list(
          [
            { name: 'status-port', port: 15_021, protocol: 'TCP', targetPort: 15_021 },
            { name: 'http2', port: 80, protocol: 'TCP', targetPort: 80 },
            { name: 'https', port: 443, protocol: 'TCP', targetPort: 443 },
          ],
          'Ports of the Service; each becomes a listener, but for status-port. A port named https* or tls* needs tls.certificateName.',
        ),
        annotations: texts({}, 'Annotations of the Service.'),
        loadBalancerIP: text('', 'Address of the load balancer.'),
        loadBalancerSourceRanges: words([], 'Who may reach it.'),
        externalTrafficPolicy: text('', 'Cluster or Local.'),
        externalIPs: words([], 'Further addresses.'),
        ipFamilyPolicy: text('', 'Families.'),
        ipFamilies: words([], 'Families.'),
      },
      'The Service.',
    ),
    tls: group(
      {
        certificateName: text(
          '',
          'Secret with certificate and key for ports named https* or tls*; empty = no such listener.',
        ),
      },
      'TLS.',
    ),
    replicaCount: Type.Optional(Type.Integer({ minimum: 0, description: 'Replicas when not scaled.' })),
    autoscaling: group(
      {
        enabled: flag(true, 'Scale with the CPU use.'),
        minReplicas: count(1, 'Fewest replicas.', 1),
        maxReplicas: count(5, 'Most replicas.', 1),
        targetCPUUtilizationPercentage: count(80, 'Percent of the requested CPU at which replicas are added.', 1),
        autoscaleBehavior: map({}, 'Behaviour of the autoscaler.'),
      },
      'Scaling.',
    ),
    podDisruptionBudget: map({}, 'Budget: minAvailable or maxUnavailable.'),
    resources: map(
      { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2000m', memory: '1024Mi' } },
      'Resources.',
    ),
    nodeSelector: texts({}, 'Nodes.'),
    tolerations: list([], 'Tolerations.'),
    affinity: map({}, 'Affinity.'),
    topologySpreadConstraints: list([], 'Spread.'),
    podAnnotations: texts({}, 'Annotations of pods.'),
    priorityClassName: text('', 'Priority class.'),
    terminationGracePeriodSeconds: count(30, 'Seconds that a pod gets to end.'),
    serviceAccount: group({ annotations: texts({}, 'Annotations of the service account.') }, 'Service account.'),
  },
  { additionalProperties: false },
);
