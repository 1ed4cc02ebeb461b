// Objects deployed for Gateways against recorded behaviour: every case of `golden/cases/waypoint-objects` through our deployer
// over a Kubernetes API in memory. Compared in the compact shape of the recording.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { memoryCluster } from '@ambit/kube/testing';
import { type Deployment, type KubernetesObject, parseDocuments, type Service } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { DEFAULT_CLASS_FEATURES } from '../src/gateways/class-info.ts';
import { deployGateways } from '../src/gateways/deployer.ts';
import type { RenderSettings } from '../src/gateways/render.ts';
import { gatewayValues } from '../src/gateways/gateway-values.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../../shared/golden'),
  'cases/waypoint-objects',
);

/** Cases whose recorded behaviour we leave on purpose; the one list of all groups. */
const deviations = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/golden/deviations.json'), 'utf8')) as {
    'waypoint-objects': Readonly<Record<string, string>>;
  }
)['waypoint-objects'];

const settings: RenderSettings = {
  image: 'ambit/proxyv2',
  systemNamespace: 'istio-system',
  revision: 'default',
  clusterId: 'Kubernetes',
  domain: 'cluster.local',
  trustDomain: 'cluster.local',
  meshId: 'cluster.local',
  network: '',
  proxyConfig: {},
  copiesMetadata: true,
  waypoints: true,
  values: gatewayValues({}),
};

if (!existsSync(folder)) {
  test(
    'golden waypoint-objects',
    { skip: process.env['AMBIT_GOLDEN_DIR'] === undefined && `no recorded behaviour in ${folder}` },
    () => assert.fail(`missing folder ${folder}`),
  );
} else {
  test('golden waypoint-objects', async () => {
    const names = readdirSync(folder).toSorted((a, b) => (a < b ? -1 : 1));
    let passed = 0;
    const failures: string[] = [];
    const listed: string[] = [];
    for (const name of names) {
      const reason = deviations[name.slice(name.indexOf('-') + 1)];
      try {
        await runCase(join(folder, name));
        passed++;
      } catch (error) {
        const text = error instanceof Error ? error.message.split('\n').slice(0, 40).join('\n') : String(error);
        if (reason === undefined) failures.push(`${name}: ${text}`);
        else listed.push(`${name}: ${reason}`);
      }
    }
    process.stdout.write(
      `golden waypoint-objects: ${passed}/${names.length} (listed deviations: ${listed.length}, failed: ${failures.length})\n`,
    );
    for (const line of [...listed.map((l) => `  listed  ${l}`), ...failures.map((f) => `  failed  ${f}`)])
      process.stdout.write(`${line}\n`);
    assert.equal(failures.length, 0);
  });
}

async function runCase(path: string): Promise<void> {
  const cluster = memoryCluster();
  for (const object of parseDocuments(readFileSync(join(path, 'input.yaml'), 'utf8'))) cluster.put(object);
  const expected = JSON.parse(readFileSync(join(path, 'expected.json'), 'utf8')) as { writes: object[] };
  const values = existsSync(join(path, 'values.yaml'))
    ? parseDocuments(readFileSync(join(path, 'values.yaml'), 'utf8'))[0]
    : undefined;
  const chart = gatewayValues(values);
  const { flags = {} } = readJson<{ flags?: Record<string, string> }>(join(path, 'options.json')) ?? {};
  const isOn = (name: string, fallback: boolean): boolean => (flags[name] ?? String(fallback)) === 'true';
  const waypoints = isOn('PILOT_ENABLE_AMBIENT_WAYPOINTS', true);
  const stop = new AbortController();
  const deployer = deployGateways({
    client: cluster,
    settings: () => ({
      ...settings,
      network: chart.network,
      values: chart,
      waypoints,
      copiesMetadata: isOn('PILOT_ENABLE_GATEWAY_API_COPY_LABELS_ANNOTATIONS', true),
    }),
    features: {
      ...DEFAULT_CLASS_FEATURES,
      waypoints,
      eastWest: isOn('AMBIENT_ENABLE_MULTI_NETWORK', false),
      remoteGateways: isOn('PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API', true),
    },
    log: silentLogger,
    signal: stop.signal,
  });
  await deployer.idle();
  stop.abort();
  const gateway = cluster.objects('Gateway')[0]?.metadata;
  const writes = cluster.writes.map(({ verb, object }) =>
    compact(
      verb.endsWith('status')
        ? {
            ...object,
            kind: 'Gateway',
            metadata: { ...object.metadata, name: gateway?.name ?? '', namespace: gateway?.namespace ?? '' },
          }
        : object,
      verb,
    ),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(writes)), expected.writes);
}

function readJson<T>(file: string): T | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
}

function compact(object: KubernetesObject, verb: string): object {
  const { name, namespace, labels, annotations, ownerReferences } = object.metadata ?? {};
  return {
    kind: object.kind,
    name,
    namespace,
    labels,
    annotations,
    ...(verb.endsWith('status') && { subresource: 'status' }),
    ...(ownerReferences && { ownerReferences: ownerReferences.map((o) => ({ kind: o.kind, name: o.name })) }),
    ...(object.kind === 'Deployment' && compactDeployment(object as Deployment)),
    ...(object.kind === 'Service' && (object as Service).spec),
    ...(['HorizontalPodAutoscaler', 'PodDisruptionBudget'].includes(object.kind ?? '') && { spec: object['spec'] }),
  };
}

type Variable = {
  name: string;
  value?: string;
  valueFrom?: { fieldRef?: { fieldPath: string }; resourceFieldRef?: { resource: string } };
};

const SCHEDULING = ['affinity', 'nodeSelector', 'tolerations', 'topologySpreadConstraints', 'securityContext'];

function compactDeployment({ spec }: Deployment): object {
  const pod = spec?.template;
  const scheduling = Object.entries(pod?.spec ?? {}).filter(([key]) => SCHEDULING.includes(key));
  return {
    ...Object.fromEntries(scheduling),
    ...(spec?.replicas !== undefined && { replicas: spec.replicas }),
    selector: spec?.selector,
    podLabels: pod?.metadata?.labels,
    podAnnotations: pod?.metadata?.annotations,
    serviceAccountName: pod?.spec.serviceAccountName,
    containers: pod?.spec.containers.map(({ image: _image, env, volumeMounts, ...rest }) => ({
      ...rest,
      env: (env as Variable[]).map(({ name, value, valueFrom }) => ({
        name,
        ...(valueFrom === undefined
          ? { value }
          : { from: valueFrom.fieldRef?.fieldPath ?? valueFrom.resourceFieldRef?.resource }),
      })),
      mounts: volumeMounts?.map((m) => `${m.name}:${m.mountPath}`),
    })),
    volumes: pod?.spec.volumes?.map(compactVolume),
  };
}

function compactVolume({ name, ...source }: { name: string; [type: string]: unknown }): object {
  const [type = '', content] = Object.entries(source)[0] ?? [];
  const details = content as {
    medium?: string;
    name?: string;
    items?: { path: string; fieldRef: { fieldPath: string } }[];
    sources?: { serviceAccountToken: object }[];
  };
  return {
    name,
    type,
    ...(details.medium !== undefined && { medium: details.medium }),
    ...(type === 'configMap' && { configMap: details.name }),
    ...(details.items && { items: details.items.map((i) => ({ path: i.path, field: i.fieldRef.fieldPath })) }),
    ...(details.sources && { token: details.sources.map((s) => s.serviceAccountToken) }),
  };
}
