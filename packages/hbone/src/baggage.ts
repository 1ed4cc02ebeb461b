// The `baggage` header of CONNECT: facts about a workload, in upstream's order and spelling (spec node-proxy 2.5).
// Pure. Built by clients (source) and servers (destination), parsed by servers and by double HBONE clients.

/** Facts about a workload; empty and absent are the same. */
export interface Baggage {
  readonly clusterName?: string;
  readonly namespace?: string;
  readonly workloadType?: WorkloadType;
  readonly workloadName?: string;
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  readonly region?: string;
  readonly zone?: string;
}

/** The kinds of workload the header can name. */
export type WorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job';

const WORKLOAD_KEYS: ReadonlyMap<string, WorkloadType> = new Map([
  ['k8s.deployment.name', 'deployment'],
  ['k8s.cronjob.name', 'cronjob'],
  ['k8s.pod.name', 'pod'],
  ['k8s.job.name', 'job'],
]);

const FIELD_KEYS: ReadonlyMap<string, keyof Baggage> = new Map([
  ['k8s.cluster.name', 'clusterName'],
  ['k8s.namespace.name', 'namespace'],
  ['service.name', 'serviceName'],
  ['service.version', 'serviceVersion'],
  ['cloud.region', 'region'],
  ['cloud.availability_zone', 'zone'],
]);

const MAX_LENGTH = 8 * 1024;
const MAX_ITEMS = 64;

/** Builds the header value; may be empty. Characters that would break the list are left out. */
export function formatBaggage(baggage: Baggage): string {
  const type = baggage.workloadType ?? 'deployment';
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['k8s.cluster.name', baggage.clusterName],
    ['k8s.namespace.name', baggage.namespace],
    [`k8s.${type}.name`, baggage.workloadName],
    ['service.name', baggage.serviceName],
    ['service.version', baggage.serviceVersion],
    ['cloud.region', baggage.region],
    ['cloud.availability_zone', baggage.zone],
  ];
  const items = pairs.map(([key, value]) => [key, safeValue(value ?? '')] as const).filter(([, value]) => value !== '');
  return items.map(([key, value]) => `${key}=${value}`).join(',');
}

/** Reads a header value; unknown keys are ignored, too long a header counts as absent. Never throws. */
export function parseBaggage(header: string | undefined): Baggage {
  if (header === undefined || header.length > MAX_LENGTH) return {};
  const out: { -readonly [Key in keyof Baggage]: Baggage[Key] } = {};
  for (const item of header.split(',', MAX_ITEMS)) {
    const equals = item.indexOf('=');
    if (equals < 0) continue;
    const key = item.slice(0, equals).trim();
    const value = item.slice(equals + 1).trim();
    if (value === '') continue;
    const type = WORKLOAD_KEYS.get(key);
    const field = FIELD_KEYS.get(key);
    if (type !== undefined) Object.assign(out, { workloadType: type, workloadName: value });
    else if (field !== undefined) Object.assign(out, { [field]: value });
  }
  return out;
}

function safeValue(value: string): string {
  let out = '';
  for (const character of value) {
    const code = character.charCodeAt(0);
    if (code > 0x20 && code < 0x7f && character !== ',') out += character;
  }
  return out;
}
