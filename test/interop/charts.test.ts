// The charts as Helm renders them and as this package does: the same objects, whatever the values.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { type ChartName, chartsFolder, renderChart } from '@ambit/charts';

type Dictionary = Record<string, unknown>;

/** A Helm that AMBIT_PEER_HELM or the path names; undefined when there is none. */
function findHelm(): string | undefined {
  const named = process.env['AMBIT_PEER_HELM'];
  if (named !== undefined && named !== '') return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'helm'))
    .find(existsSync);
}

const helm = findHelm();
const skip = helm === undefined ? 'not run: helm' : false;
if (helm === undefined) console.log('not run: helm');

/** Values that touch every branch of the templates. */
const cases: readonly (readonly [ChartName, Dictionary])[] = [
  ['base', {}],
  [
    'base',
    { defaultRevision: '1-2-3', excludedCRDs: ['gateways.networking.istio.io'], global: { imagePullSecrets: ['a'] } },
  ],
  ['base', { defaultRevision: '', global: { resourceScope: 'namespace' } }],
  ['istiod', {}],
  ['istiod', { profile: 'production' }],
  ['istiod', { profile: 'empty', meshConfig: { trustDomain: 'example.org', accessLogFile: '/dev/stdout' } }],
  [
    'istiod',
    {
      revision: '1-2-3',
      revisionTags: ['prod', 'default'],
      pilot: { env: { A: true, B: 5, C: 'yes' }, autoscaleEnabled: false, replicaCount: 3 },
    },
  ],
  [
    'istiod',
    {
      global: {
        platform: 'openshift',
        networkPolicy: { enabled: true },
        hub: 'r:5000/x',
        variant: 'debug',
        logAsJson: true,
        istiod: { enableAnalysis: true },
        trustBundleName: 't',
        priorityClassName: 'p',
      },
      taint: { enabled: true },
      tolerations: [{ operator: 'Exists' }],
      nodeSelector: { a: 'b' },
      affinity: { x: { y: 1 } },
      podLabels: { l: '1' },
      podAnnotations: { n: '2' },
      volumes: [{ name: 'v', emptyDir: {} }],
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
      resources: { limits: { cpu: 2 } },
      seccompProfile: { type: 'RuntimeDefault' },
      memory: { targetAverageUtilization: 70 },
      autoscaleBehavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
      rollingMaxSurge: 1,
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      serviceAnnotations: { s: 't' },
      serviceAccountAnnotations: { q: 'r' },
      extraContainerArgs: ['--x'],
      envVarFrom: [{ name: 'Z', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      gatewayClasses: { istio: { deployment: { spec: { replicas: 2 } } } },
      topologySpreadConstraints: [{ maxSkew: 1 }],
      deploymentLabels: { d: 'e' },
      deploymentAnnotations: { f: 'g' },
    },
  ],
  ['istiod', { global: { resourceScope: 'cluster' } }],
  ['istiod', { configMap: false, traceSampling: 0.5, meshNetworks: { n: { endpoints: [] } } }],
  ['cni', {}],
  ['cni', { profile: 'production', global: { platform: 'k3s' } }],
  [
    'cni',
    {
      cni: {
        excludeNamespaces: ['a', 'b'],
        ambient: { enabled: false, dnsCapture: false, shareHostNetworkNamespace: true },
      },
      useAppArmorAnnotation: false,
    },
  ],
  [
    'cni',
    {
      global: { platform: 'gke', networkPolicy: { enabled: true } },
      repair: { enabled: false },
      istioOwnedCNIConfig: true,
      cniConfFileName: 'x',
      env: { A: 'b' },
    },
  ],
  [
    'cni',
    {
      global: { platform: 'openshift' },
      repair: { deletePods: true, labelPods: true },
      resourceQuotas: { enabled: true, pods: 12_345_678 },
    },
  ],
  ['cni', { global: { resourceScope: 'cluster' }, seccompProfile: { type: 'Unconfined' }, image: 'own/cni:1' }],
  ['ztunnel', {}],
  ['ztunnel', { profile: 'production', revision: '1-2-3' }],
  [
    'ztunnel',
    {
      ztunnel: { env: { A: '1' }, resources: { limits: { cpu: '1' } }, logLevel: 'debug' },
      meshConfig: { trustDomain: 'td' },
    },
  ],
  [
    'ztunnel',
    {
      resourceName: 'own',
      labels: { a: 'b' },
      annotations: { c: 'd' },
      peerCaCrl: { enabled: true },
      network: 'n1',
      imagePullSecrets: ['s'],
      dnsPolicy: 'Default',
      dnsConfig: { nameservers: ['1.1.1.1'] },
    },
  ],
  [
    'ztunnel',
    {
      global: {
        platform: 'gke',
        networkPolicy: { enabled: true },
        logAsJson: true,
        multiCluster: { clusterName: 'c' },
        caAddress: 'ca:1',
      },
      terminationGracePeriodSeconds: 3_600_000,
    },
  ],
  ['ztunnel', { resourceScope: 'cluster' }],
  ['gateway', {}],
  [
    'gateway',
    {
      name: 'edge',
      hostname: '*.example.org',
      tls: { certificateName: 'cert' },
      autoscaling: { enabled: false },
      replicaCount: 2,
      podDisruptionBudget: { minAvailable: 1 },
      nodeSelector: { a: 'b' },
      service: { type: 'ClusterIP', annotations: { x: 'y' }, externalIPs: ['1.2.3.4'] },
    },
  ],
  [
    'gateway',
    { networkGateway: 'n2', revision: 'r1', serviceAccount: { annotations: { a: 'b' } }, podAnnotations: { p: 'q' } },
  ],
];

const identity = (object: Dictionary): string => {
  const { metadata } = object as { metadata?: { name?: string; namespace?: string } };
  return `${String(object['kind'])} ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
};

const byIdentity = (objects: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries((objects as Dictionary[]).map((object) => [identity(object), object]));

test('helm template and ambit manifest render the same objects', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-charts-'));
  try {
    for (const [chart, values] of cases) {
      const file = join(folder, 'values.yaml');
      writeFileSync(file, JSON.stringify(values));
      const text = execFileSync(
        helm ?? '',
        ['template', 'istiod', join(chartsFolder(), chart), '-n', 'mesh', '-f', file],
        { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
      );
      // Helm speaks YAML 1.1, as Kubernetes does.
      const theirs = parseAllDocuments(text, { version: '1.1' }).flatMap(
        (document) => (document as { toJS: () => unknown }).toJS() ?? [],
      );
      const ours = renderChart(chart, { name: 'istiod', namespace: 'mesh' }, values);
      assert.deepEqual(byIdentity(ours), byIdentity(theirs), `${chart} ${JSON.stringify(values)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('helm finds nothing wrong with any chart', { skip }, () => {
  for (const chart of ['base', 'istiod', 'cni', 'ztunnel', 'gateway'])
    execFileSync(helm ?? '', ['lint', '--strict', join(chartsFolder(), chart)], { stdio: 'pipe' });
});

test('helm refuses the values that ambit refuses', { skip }, () => {
  for (const values of ['{"meshConfg":{}}', '{"global":{"platform":"moon"}}', '{"pilot":{"autoscaleMin":"many"}}']) {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-t-charts-'));
    try {
      writeFileSync(join(folder, 'v.yaml'), values);
      assert.throws(() =>
        execFileSync(helm ?? '', ['template', 'x', join(chartsFolder(), 'istiod'), '-f', join(folder, 'v.yaml')], {
          stdio: 'pipe',
        }),
      );
      assert.throws(() => renderChart('istiod', { name: 'x', namespace: 'y' }, JSON.parse(values) as Dictionary), {
        code: 'ERR_CHARTS_VALUES',
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
});

test('the umbrella chart holds the same objects as its parts', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-charts-'));
  try {
    cpSync(chartsFolder(), folder, { recursive: true });
    const umbrella = join(folder, 'ambient');
    execFileSync(helm ?? '', ['dependency', 'build', umbrella], { stdio: 'pipe' });
    const words = [
      'template',
      'istiod',
      umbrella,
      '-n',
      'mesh',
      '--set',
      'istiod.meshConfig.trustDomain=td',
      '--set',
      'global.profile=production',
    ];
    const text = execFileSync(helm ?? '', words, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    const theirs = parseAllDocuments(text, { version: '1.1' }).flatMap(
      (document) => (document as { toJS: () => unknown }).toJS() ?? [],
    );
    const release = { name: 'istiod', namespace: 'mesh' };
    const global = { profile: 'production' };
    const ours = (['base', 'istiod', 'cni', 'ztunnel'] as const).flatMap((chart) =>
      renderChart(chart, release, chart === 'istiod' ? { global, meshConfig: { trustDomain: 'td' } } : { global }),
    );
    assert.deepEqual(byIdentity(ours), byIdentity(theirs));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
