// The environment of a container (spec local-cluster 10.3). Pure over readers of ConfigMaps and Secrets.
// Comes in: the pod, its container, its addresses. Goes out: variables, or an error that names what is missing.
import type { ConfigMap, Container, EnvVar, KeyRef, Pod, Secret, Service } from '../controllers/objects.ts';
import { LocalClusterError } from '../errors.ts';

/** Where values come from. */
export interface ValueSources {
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
}

/** Facts known only once the pod has its network. */
export interface PodFacts {
  readonly podIp: string;
  readonly hostIp: string;
}

/** A container that can not start yet; shown as `CreateContainerConfigError`. */
export function configError(message: string): LocalClusterError {
  return new LocalClusterError('ERR_LOCAL_CLUSTER_CONTAINER_CONFIG', message);
}

/** Builds all variables: `base`, service links, envFrom, env, in this order. Throws when a value is missing. */
export function buildContainerEnv(
  pod: Pod,
  container: Container,
  facts: PodFacts,
  sources: ValueSources,
  base: Readonly<Record<string, string>>,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  for (const source of container.envFrom ?? []) {
    Object.assign(env, fromSource(source, sources));
  }
  for (const entry of container.env ?? []) {
    const value = valueOf(pod, container, entry, env, facts, sources);
    if (value !== undefined) env[entry.name] = value;
  }
  return env;
}

function fromSource(source: NonNullable<Container['envFrom']>[number], sources: ValueSources): Record<string, string> {
  const prefix = source.prefix ?? '';
  const { configMapRef, secretRef } = source;
  let values: Record<string, string> = {};
  if (configMapRef !== undefined) {
    const map = sources.configMap(configMapRef.name ?? '');
    if (map === undefined && configMapRef.optional !== true)
      throw configError(`configmap "${configMapRef.name ?? ''}" not found`);
    values = map?.data ?? {};
  } else if (secretRef !== undefined) {
    const secret = sources.secret(secretRef.name ?? '');
    if (secret === undefined && secretRef.optional !== true)
      throw configError(`secret "${secretRef.name ?? ''}" not found`);
    values = Object.fromEntries(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, decode(value)]));
  }
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}${key}`, value]));
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

function valueOf(
  pod: Pod,
  container: Container,
  entry: EnvVar,
  env: Readonly<Record<string, string>>,
  facts: PodFacts,
  sources: ValueSources,
): string | undefined {
  const from = entry.valueFrom;
  if (from === undefined) return expandVariables(entry.value ?? '', env);
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, facts);
  if (from.resourceFieldRef !== undefined) {
    return resourceValue(pod, container, from.resourceFieldRef);
  }
  if (from.configMapKeyRef !== undefined) {
    return keyValue(
      'configmap',
      from.configMapKeyRef,
      sources.configMap(from.configMapKeyRef.name ?? '')?.data,
      (v) => v,
    );
  }
  if (from.secretKeyRef !== undefined) {
    return keyValue('secret', from.secretKeyRef, sources.secret(from.secretKeyRef.name ?? '')?.data, decode);
  }
  return undefined;
}

function keyValue(
  kind: string,
  ref: KeyRef,
  data: Readonly<Record<string, string>> | undefined,
  read: (value: string) => string,
): string | undefined {
  const value = data?.[ref.key];
  if (value !== undefined) return read(value);
  if (ref.optional === true) return undefined;
  throw configError(
    data === undefined
      ? `${kind} "${ref.name ?? ''}" not found`
      : `couldn't find key ${ref.key} in ${kind} "${ref.name ?? ''}"`,
  );
}

/** Replaces `$(NAME)` by a known variable; `$$` stands for `$`; unknown names stay as written. */
export function expandVariables(text: string, env: Readonly<Record<string, string>>): string {
  let out = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char !== '$') {
      out += char;
      continue;
    }
    if (text[at + 1] === '$') {
      out += '$';
      at += 1;
      continue;
    }
    const end = text[at + 1] === '(' ? text.indexOf(')', at) : -1;
    const value = end === -1 ? undefined : env[text.slice(at + 2, end)];
    if (value === undefined) out += char;
    else {
      out += value;
      at = end;
    }
  }
  return out;
}

/** The value of a downward API field path. Throws for paths that do not exist. */
export function fieldValue(pod: Pod, path: string, facts: PodFacts): string {
  const { metadata, spec } = pod;
  const subscript = (prefix: string): string | undefined => {
    if (!path.startsWith(`${prefix}['`) || !path.endsWith("']")) return undefined;
    return path.slice(prefix.length + 2, -2);
  };
  const label = subscript('metadata.labels');
  if (label !== undefined) return metadata.labels?.[label] ?? '';
  const annotation = subscript('metadata.annotations');
  if (annotation !== undefined) return metadata.annotations?.[annotation] ?? '';
  const values: Record<string, string | undefined> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace ?? 'default',
    'metadata.uid': metadata.uid ?? '',
    'metadata.labels': listOf(metadata.labels),
    'metadata.annotations': listOf(metadata.annotations),
    'spec.nodeName': spec.nodeName ?? '',
    'spec.serviceAccountName': spec.serviceAccountName ?? 'default',
    'status.podIP': facts.podIp,
    'status.podIPs': facts.podIp,
    'status.hostIP': facts.hostIp,
    'status.hostIPs': facts.hostIp,
  };
  const value = values[path];
  if (value === undefined) throw configError(`unsupported field path "${path}"`);
  return value;
}

function listOf(values: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(values ?? {})
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
const DEFAULT_CPUS = 2;
const DEFAULT_MEMORY = 2 ** 33;

/** The value of a resourceFieldRef; unset limits are the machine's nominal size. */
export function resourceValue(
  pod: Pod,
  container: Container,
  ref: { containerName?: string; resource: string; divisor?: string },
): string {
  const owner =
    ref.containerName === undefined ? container : pod.spec.containers.find((each) => each.name === ref.containerName);
  const [kind, name] = ref.resource.split('.');
  const list = kind === 'limits' ? owner?.resources?.limits : owner?.resources?.requests;
  const fallback = kind !== 'limits' ? 0 : name === 'cpu' ? DEFAULT_CPUS : DEFAULT_MEMORY;
  const quantity = list?.[name ?? ''];
  const amount = quantity === undefined ? fallback : parseQuantity(String(quantity));
  const divisor = parseQuantity(ref.divisor ?? '1') || 1;
  return String(Math.ceil(amount / divisor));
}

/** A Kubernetes quantity as a number; 0 when it is none. */
export function parseQuantity(text: string): number {
  let digits = 0;
  while (digits < text.length && '+-.0123456789'.includes(text[digits] ?? '')) digits += 1;
  const unit = UNITS[text.slice(digits)];
  const number = Number(text.slice(0, digits));
  return unit === undefined || !Number.isFinite(number) ? 0 : number * unit;
}

/** The variables that point at services: always `kubernetes`, and those of the pod's namespace when asked for. */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  hasLinks: boolean,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const service of services) {
    const ip = service.spec.clusterIP;
    const isKubernetes = service.metadata.namespace === 'default' && service.metadata.name === 'kubernetes';
    if (ip === undefined || ip === '' || ip === 'None' || service.spec.ports === undefined) continue;
    if (!isKubernetes && !(hasLinks && service.metadata.namespace === namespace)) continue;
    const name = service.metadata.name.toUpperCase().replaceAll('-', '_');
    const first = service.spec.ports[0];
    if (first === undefined) continue;
    env[`${name}_SERVICE_HOST`] = ip;
    env[`${name}_SERVICE_PORT`] = String(first.port);
    env[`${name}_PORT`] = `${(first.protocol ?? 'TCP').toLowerCase()}://${ip}:${first.port}`;
    for (const port of service.spec.ports) {
      if (port.name !== undefined)
        env[`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
      const protocol = port.protocol ?? 'TCP';
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      env[prefix] = `${protocol.toLowerCase()}://${ip}:${port.port}`;
      env[`${prefix}_PROTO`] = protocol.toLowerCase();
      env[`${prefix}_PORT`] = String(port.port);
      env[`${prefix}_ADDR`] = ip;
    }
  }
  return env;
}
