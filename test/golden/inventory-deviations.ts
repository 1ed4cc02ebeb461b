// Where our installation differs from the recorded one on purpose, with the reason. Used by inventory.test.ts.

/** A difference that is meant. `path` is the beginning of the place of the difference. */
export interface Deviation {
  readonly kind: string;
  readonly path: string;
  /** Text that the place also holds. */
  readonly with?: string;
  readonly reason: string;
}

const go = 'only a Go or Rust program reads it';

/** All of them. */
export const deviations: readonly Deviation[] = [
  { kind: 'DaemonSet', path: 'containers.install-cni.command', reason: 'the entry point of our image is the program' },
  { kind: 'DaemonSet', path: 'containers.install-cni.env-GOMEMLIMIT', reason: go },
  {
    kind: 'Deployment',
    path: 'containers.discovery.env-KUBECONFIG',
    reason: 'our control plane takes the variable as an order and would miss the file',
  },
  {
    kind: 'Deployment',
    path: 'containers.discovery.env+AMBIT_PROXY_IMAGE',
    reason: 'image of waypoints; upstream has it in the injector templates',
  },
  {
    kind: 'MutatingWebhookConfiguration',
    path: 'webhooks.',
    with: '.failurePolicy: "Fail" here "Ignore"',
    reason: 'there are no sidecars, and pods must not wait for a webhook that has nothing to do',
  },
  {
    kind: 'ClusterRole',
    path: 'rules.',
    with: '.verbs+patch',
    reason: 'webhook configurations and ConfigMaps are patched, not replaced',
  },
  {
    kind: 'ClusterRole',
    path: 'rules.',
    with: ': undefined here {"apiGroups":["","events.k8s.io"],"resources":["events"],"verbs":["create","patch"]}',
    reason: 'what happens to pods and gateways is told as events',
  },
];

/** Objects that only we install. */
export const extraObjects: Readonly<Record<string, string>> = {
  'ValidatingWebhookConfiguration istiod-default-validator':
    'objects without a revision label are validated from the start; upstream adds it after the installation',
};

/** Definitions that are not installed yet: packages/resources has no schema of these kinds. */
export const missingDefinitions: readonly string[] = [
  'envoyfilters.networking.istio.io',
  'gateways.networking.istio.io',
  'proxyconfigs.networking.istio.io',
  'sidecars.networking.istio.io',
  'telemetries.telemetry.istio.io',
  'trafficextensions.extensions.istio.io',
  'wasmplugins.extensions.istio.io',
  'workloadgroups.networking.istio.io',
];
