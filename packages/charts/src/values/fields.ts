// Building blocks of the value schemas: a type, its default and what it does, in one place. Called by the other files of this folder.
// The generator writes values.yaml and values.schema.json of each chart from these (packages/charts/src/generate.ts).
import Type from 'typebox';

type Choices = readonly [string, ...string[]];

/** A text. */
export const text = (fallback: string, description: string) =>
  Type.Optional(Type.String({ default: fallback, description }));
/** A text that YAML may take for a number, such as a tag. */
export const word = (fallback: string, description: string) =>
  Type.Optional(Type.Union([Type.String(), Type.Number()], { default: fallback, description }));
/** true or false. */
export const flag = (fallback: boolean, description: string) =>
  Type.Optional(Type.Boolean({ default: fallback, description }));
/** A whole number. */
export const count = (fallback: number, description: string, minimum = 0) =>
  Type.Optional(Type.Integer({ default: fallback, description, minimum }));
/** A whole number, or a percentage as text. */
export const share = (fallback: string, description: string) =>
  Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.String()], { default: fallback, description }));
/** One of some words. */
export const choice = (choices: Choices, fallback: string, description: string) =>
  Type.Optional(Type.Enum([...choices], { default: fallback, description }));
/** Names and texts; numbers and booleans are taken as texts. */
export const texts = (fallback: Record<string, string>, description: string) =>
  Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
      default: fallback,
      description,
    }),
  );
/** A piece of Kubernetes configuration that is handed on as it is. */
export const map = (fallback: object, description: string) =>
  Type.Optional(Type.Record(Type.String(), Type.Unknown(), { default: fallback, description }));
/** A list of such pieces. */
export const list = (fallback: readonly unknown[], description: string) =>
  Type.Optional(Type.Array(Type.Unknown(), { default: fallback, description }));
/** A list of texts. */
export const words = (fallback: readonly string[], description: string) =>
  Type.Optional(Type.Array(Type.String(), { default: fallback, description }));
/** Fields of their own; unknown ones are errors. */
export const group = <P extends Type.TProperties>(fields: P, description: string) =>
  Type.Optional(Type.Object(fields, { additionalProperties: false, description }));

/** Image prefix when nothing is set. */
const defaultHub = 'ambit';
/** Image tag when nothing is set. */
const defaultTag = 'dev';

/** Which image a component runs; `whose` ends the sentences, as in ` of the control plane`. */
export const imageFields = (image: string, whose = '') => ({
  hub: text('', `Image prefix${whose}; empty = global.hub.`),
  tag: word('', `Image tag${whose}; empty = global.tag.`),
  variant: text('', `Image variant${whose}; empty = global.variant.`),
  image: text(image, 'Image name; a full reference when it holds a slash.'),
});

/** What every chart accepts under `global`; a chart ignores what is not its business. */
export const globalFields = group(
  {
    hub: text(defaultHub, 'Prefix of all images.'),
    tag: word(defaultTag, 'Tag of all images.'),
    variant: text('', 'Suffix of the tag: `distroless` or `debug`; empty = none.'),
    imagePullPolicy: text('', 'Pull policy of all containers; empty = what Kubernetes does.'),
    imagePullSecrets: words([], 'Secrets with which images are pulled.'),
    istioNamespace: text('istio-system', 'Namespace of the control plane.'),
    platform: choice(
      ['', 'gke', 'k3d', 'k3s', 'microk8s', 'minikube', 'openshift', 'local'],
      '',
      'Where the cluster runs: sets CNI folders, quotas and SELinux.',
    ),
    resourceScope: choice(
      ['all', 'cluster', 'namespace'],
      'all',
      'Objects to render: cluster-scoped ones, namespaced ones, or both.',
    ),
    profile: text('', 'As profile, for all charts of a release.'),
    network: text('', 'Network of the pods of this cluster; empty = the only one.'),
    meshID: text('', 'Name of the mesh, for telemetry.'),
    multiCluster: group(
      {
        clusterName: text('', 'Name of this cluster; empty = Kubernetes.'),
        enabled: flag(false, 'Kept for existing files; no effect.'),
      },
      'Several clusters, one mesh.',
    ),
    logging: group(
      { level: text('default:info', 'Log levels: LEVEL, or SCOPE:LEVEL separated by commas.') },
      'Logs of all components.',
    ),
    logAsJson: flag(false, 'Logs as JSON.'),
    networkPolicy: group(
      { enabled: flag(false, 'Install NetworkPolicies that admit what the components need.') },
      'NetworkPolicies of the mesh itself.',
    ),
    nativeNftables: flag(false, 'Rules of pods with nftables, whatever the node has.'),
    priorityClassName: text('', 'Priority class of the control plane.'),
    caAddress: text('', 'Address of another certificate authority.'),
    trustBundleName: text('', 'Name of the ConfigMap with the root; empty = istio-ca-root-cert.'),
    defaultPodDisruptionBudget: group(
      { enabled: flag(true, 'A budget for the control plane when it has more than one replica.') },
      'Budgets.',
    ),
    istiod: group(
      { enableAnalysis: flag(false, 'Analysis messages in the status of objects.') },
      'Behaviour of the control plane.',
    ),
    waypoint: group(
      {
        resources: map(
          { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
          'Resources of waypoints.',
        ),
        affinity: map({}, 'Affinity of waypoints.'),
        nodeSelector: texts({}, 'Nodes of waypoints.'),
        tolerations: list([], 'Tolerations of waypoints.'),
        topologySpreadConstraints: list([], 'Spread of waypoints.'),
      },
      'Pods of waypoints.',
    ),
    proxy: map({}, 'Sidecar settings of existing files; there are no sidecars, no effect.'),
    proxy_init: map({}, 'Sidecar settings of existing files; there are no sidecars, no effect.'),
    telemetry: group(
      { enabled: flag(true, 'Stream flows of proxies to the control plane while somebody watches (ambit tap).') },
      'The telemetry stream.',
    ),
  },
  'Values that all charts share.',
);

/** Fields that every chart has at its root. */
export const commonFields = {
  profile: choice(
    [
      'ambient',
      'production',
      'default',
      'demo',
      'minimal',
      'empty',
      'openshift',
      'openshift-ambient',
      'stable',
      'preview',
    ],
    'ambient',
    '`production` switches the improvements on that `ambient` leaves as upstream has them; the others mean `ambient` here.',
  ),
  revision: text('', 'Revision of the control plane; empty = default. No dots.'),
  compatibilityVersion: text('', 'Kept for existing files; no effect.'),
  ownerName: text('', 'Value of the label install.operator.istio.io/owning-resource.'),
} as const;

/** What a DaemonSet pod of the mesh tolerates: it stays on every node. */
export const everywhere = [
  { effect: 'NoSchedule', operator: 'Exists' },
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
  { effect: 'NoExecute', operator: 'Exists' },
];
