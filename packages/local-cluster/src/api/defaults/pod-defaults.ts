/** Defaults of pods and pod templates (spec/local-cluster.md 6). In: a pod spec; out: filled copy. Pure. */

import { isObject, listAt } from '../json.ts';
import type { JsonObject } from '../json.ts';

/** Sets what is missing. */
export function fill(object: JsonObject, defaults: JsonObject): JsonObject {
  const result: JsonObject = { ...object };
  for (const [key, value] of Object.entries(defaults)) if (result[key] === undefined) result[key] = value;
  return result;
}

/** Changes every object of a list under a key, when the list is there. */
export function mapList(object: JsonObject, key: string, change: (item: JsonObject) => JsonObject): JsonObject {
  const list = object[key];
  return Array.isArray(list)
    ? { ...object, [key]: list.map((item) => (isObject(item) ? change(item) : item)) }
    : object;
}

/** Changes the object under a key, when it is there. */
export function mapObject(object: JsonObject, key: string, change: (item: JsonObject) => JsonObject): JsonObject {
  const value = object[key];
  return isObject(value) ? { ...object, [key]: change(value) } : object;
}

function pullPolicyOf(image: unknown): string {
  if (typeof image !== 'string') return 'IfNotPresent';
  if (image.includes('@')) return 'IfNotPresent';
  const tag = image.slice(image.lastIndexOf('/') + 1).split(':')[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function probeDefaults(probe: JsonObject): JsonObject {
  const filled = fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  const http = mapObject(filled, 'httpGet', (get) => fill(get, { path: '/', scheme: 'HTTP' }));
  return mapObject(http, 'grpc', (grpc) => fill(grpc, { service: '' }));
}

/** A quantity in a resource list is text. */
function quantities(resources: JsonObject): JsonObject {
  const texts = (list: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(list).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value]),
    );
  const result = mapObject(mapObject(resources, 'limits', texts), 'requests', texts);
  const { limits, requests } = result;
  if (!isObject(limits)) return result;
  return { ...result, requests: fill(isObject(requests) ? requests : {}, limits) };
}

function containerDefaults(container: JsonObject): JsonObject {
  let result = fill(container, {
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: pullPolicyOf(container['image']),
    resources: {},
  });
  result = mapObject(result, 'resources', quantities);
  result = mapList(result, 'ports', (port) => fill(port, { protocol: 'TCP' }));
  result = mapList(result, 'env', (env) =>
    mapObject(env, 'valueFrom', (from) => mapObject(from, 'fieldRef', (ref) => fill(ref, { apiVersion: 'v1' }))),
  );
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'])
    result = mapObject(result, probe, probeDefaults);
  return mapObject(result, 'lifecycle', (lifecycle) => {
    const hook = (item: JsonObject): JsonObject =>
      mapObject(item, 'httpGet', (get) => fill(get, { path: '/', scheme: 'HTTP' }));
    return mapObject(mapObject(lifecycle, 'postStart', hook), 'preStop', hook);
  });
}

const downwardItems = (source: JsonObject): JsonObject =>
  mapList(source, 'items', (item) => mapObject(item, 'fieldRef', (ref) => fill(ref, { apiVersion: 'v1' })));

function volumeDefaults(volume: JsonObject): JsonObject {
  const mode = { defaultMode: 420 };
  let result = volume;
  if (Object.keys(volume).every((key) => key === 'name')) result = { ...volume, emptyDir: {} };
  result = mapObject(result, 'secret', (item) => fill(item, mode));
  result = mapObject(result, 'configMap', (item) => fill(item, mode));
  result = mapObject(result, 'downwardAPI', (item) => downwardItems(fill(item, mode)));
  result = mapObject(result, 'hostPath', (item) => fill(item, { type: '' }));
  return mapObject(result, 'projected', (item) =>
    mapList(fill(item, mode), 'sources', (source) =>
      mapObject(
        mapObject(source, 'serviceAccountToken', (token) => fill(token, { expirationSeconds: 3600 })),
        'downwardAPI',
        downwardItems,
      ),
    ),
  );
}

/** A pod spec as template or pod, with defaults. */
export function podSpecDefaults(spec: JsonObject): JsonObject {
  let result = fill(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
  });
  const account = result['serviceAccountName'] ?? result['serviceAccount'];
  if (account !== undefined) result = fill(result, { serviceAccountName: account, serviceAccount: account });
  for (const key of ['containers', 'initContainers', 'ephemeralContainers'])
    result = mapList(result, key, containerDefaults);
  if (result['hostNetwork'] === true) result = hostPorts(result);
  return mapList(result, 'volumes', volumeDefaults);
}

function hostPorts(spec: JsonObject): JsonObject {
  const change = (container: JsonObject): JsonObject =>
    mapList(container, 'ports', (port) => fill(port, { hostPort: port['containerPort'] }));
  return mapList(mapList(spec, 'containers', change), 'initContainers', change);
}

const standardTolerations = ['not-ready', 'unreachable'].map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
}));

const tokenMount = '/var/run/secrets/kubernetes.io/serviceaccount';

/** What admission adds to a new pod: account, tolerations, the token volume. */
export function podAdmission(spec: JsonObject, suffix: string, mountsToken: boolean): JsonObject {
  const account = typeof spec['serviceAccountName'] === 'string' ? spec['serviceAccountName'] : 'default';
  let result: JsonObject = { ...spec, serviceAccountName: account, serviceAccount: account };
  result = fill(result, { enableServiceLinks: true, preemptionPolicy: 'PreemptLowerPriority', priority: 0 });
  const present = new Set(
    listAt(result, 'tolerations')
      .filter(isObject)
      .map((item) => item['key']),
  );
  const added = standardTolerations.filter((item) => !present.has(item.key));
  const hasWildcard = listAt(result, 'tolerations').some(
    (item) => isObject(item) && item['operator'] === 'Exists' && item['key'] === undefined,
  );
  if (!hasWildcard) result['tolerations'] = [...listAt(result, 'tolerations'), ...added];
  if (!mountsToken || result['automountServiceAccountToken'] === false) return result;
  return withTokenVolume(result, `kube-api-access-${suffix}`);
}

function withTokenVolume(spec: JsonObject, name: string): JsonObject {
  const existing = listAt(spec, 'volumes').find(
    (volume) => isObject(volume) && String(volume['name']).startsWith('kube-api-access-'),
  );
  const volumeName = isObject(existing) ? String(existing['name']) : name;
  let isUsed = false;
  const mount = (container: JsonObject): JsonObject => {
    const mounts = listAt(container, 'volumeMounts');
    if (mounts.some((item) => isObject(item) && item['mountPath'] === tokenMount)) return container;
    isUsed = true;
    return { ...container, volumeMounts: [...mounts, { name: volumeName, readOnly: true, mountPath: tokenMount }] };
  };
  const result = mapList(mapList(spec, 'containers', mount), 'initContainers', mount);
  if (existing !== undefined || !isUsed) return result;
  const volume = {
    name: volumeName,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 420,
    },
  };
  return { ...result, volumes: [...listAt(result, 'volumes'), volume] };
}
