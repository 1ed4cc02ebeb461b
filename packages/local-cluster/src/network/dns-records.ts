// The names of the cluster: services, headless pods, ports, ExternalName, reverse. Pure over a reader of the API.
// Comes in: a name and a type. Goes out: records or "no such name". Used by the DNS server and the loopback relay.
import type { ObjectApi } from '../api/object-api.ts';
import type { Endpoint, EndpointSlice, Service } from '../controllers/objects.ts';
import { ANSWER_CODE, RECORD_TYPE } from './dns-message.ts';
import type { DnsRecord } from './dns-message.ts';

/** The cluster's domain. */
export const CLUSTER_DOMAIN = 'cluster.local';

/** An answer: records, or the code that says why not. */
export interface DnsAnswer {
  readonly code: number;
  readonly answers: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

const none = (code: number): DnsAnswer => ({ code, answers: [], additional: [] });

/** Answers one question about the cluster's domain or its addresses; other names are "no such name" (no upstream). */
export function answerName(api: ObjectApi, name: string, type: number): DnsAnswer {
  if (name.endsWith('.in-addr.arpa')) return answerReverse(api, name);
  const suffix = `.svc.${CLUSTER_DOMAIN}`;
  if (!name.endsWith(suffix)) {
    const parents = [CLUSTER_DOMAIN, `svc.${CLUSTER_DOMAIN}`];
    return none(parents.includes(name) ? ANSWER_CODE.ok : ANSWER_CODE.noName);
  }
  const labels = name.slice(0, -suffix.length).split('.');
  const namespace = labels.at(-1) ?? '';
  const serviceName = labels.at(-2);
  if (serviceName === undefined) {
    return none(api.get('namespaces', namespace) === undefined ? ANSWER_CODE.noName : ANSWER_CODE.ok);
  }
  const service = api.get<Service>('services', serviceName, namespace);
  if (service === undefined) return none(ANSWER_CODE.noName);
  return answerService(api, service, name, labels.slice(0, -2), type);
}

function answerService(
  api: ObjectApi,
  service: Service,
  name: string,
  rest: readonly string[],
  type: number,
): DnsAnswer {
  if (service.spec.type === 'ExternalName') {
    if (rest.length > 0) return none(ANSWER_CODE.noName);
    return {
      code: ANSWER_CODE.ok,
      answers: [{ name, type: 'CNAME', target: service.spec.externalName ?? '' }],
      additional: [],
    };
  }
  const [first, second] = rest;
  if (first?.startsWith('_') === true) {
    return answerPort(api, service, name, first.slice(1), (second ?? '').slice(1), type);
  }
  if (first !== undefined) {
    const ips = endpointsOf(api, service)
      .filter((each) => hostOf(each) === first)
      .flatMap((each) => each.addresses);
    return ips.length === 0 ? none(ANSWER_CODE.noName) : addresses(name, ips, type);
  }
  const ips =
    service.spec.clusterIP === 'None'
      ? endpointsOf(api, service).flatMap((each) => each.addresses)
      : [service.spec.clusterIP ?? ''];
  const usable = ips.filter((ip) => ip !== '');
  if (usable.length === 0) return none(service.spec.clusterIP === 'None' ? ANSWER_CODE.noName : ANSWER_CODE.ok);
  return addresses(name, usable, type);
}

function addresses(name: string, ips: readonly string[], type: number): DnsAnswer {
  const wanted = type === RECORD_TYPE.A || type === RECORD_TYPE.ANY;
  const answers = wanted ? shuffled(ips).map((ip): DnsRecord => ({ name, type: 'A', ip })) : [];
  return { code: ANSWER_CODE.ok, answers, additional: [] };
}

function answerPort(
  api: ObjectApi,
  service: Service,
  name: string,
  portName: string,
  protocol: string,
  type: number,
): DnsAnswer {
  const port = service.spec.ports?.find(
    (each) => (each.name ?? '').toLowerCase() === portName && (each.protocol ?? 'TCP').toLowerCase() === protocol,
  );
  if (port === undefined) return none(ANSWER_CODE.noName);
  if (type !== RECORD_TYPE.SRV && type !== RECORD_TYPE.ANY) return none(ANSWER_CODE.ok);
  const base = `${service.metadata.name}.${service.metadata.namespace ?? ''}.svc.${CLUSTER_DOMAIN}`;
  if (service.spec.clusterIP !== 'None') {
    const additional: DnsRecord[] = [{ name: base, type: 'A', ip: service.spec.clusterIP ?? '0.0.0.0' }];
    return { code: ANSWER_CODE.ok, answers: [{ name, type: 'SRV', port: port.port, target: base }], additional };
  }
  const answers: DnsRecord[] = [];
  const additional: DnsRecord[] = [];
  for (const slice of slicesOf(api, service)) {
    const number = slice.ports?.find((each) => (each.name ?? '') === (port.name ?? ''))?.port ?? port.port;
    for (const endpoint of readyOf(service, slice)) {
      const target = `${hostOf(endpoint)}.${base}`;
      answers.push({ name, type: 'SRV', port: number, target });
      additional.push({ name: target, type: 'A', ip: endpoint.addresses[0] ?? '0.0.0.0' });
    }
  }
  return { code: answers.length === 0 ? ANSWER_CODE.noName : ANSWER_CODE.ok, answers, additional };
}

function answerReverse(api: ObjectApi, name: string): DnsAnswer {
  const ip = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
  for (const service of api.list<Service>('services').items) {
    if (service.spec.clusterIP !== ip) continue;
    const target = `${service.metadata.name}.${service.metadata.namespace ?? ''}.svc.${CLUSTER_DOMAIN}`;
    return { code: ANSWER_CODE.ok, answers: [{ name, type: 'PTR', target }], additional: [] };
  }
  return none(ANSWER_CODE.noName);
}

function slicesOf(api: ObjectApi, service: Service): readonly EndpointSlice[] {
  return api.list<EndpointSlice>('endpointslices.discovery.k8s.io', {
    namespace: service.metadata.namespace ?? '',
    labelSelector: `kubernetes.io/service-name=${service.metadata.name}`,
  }).items;
}

function readyOf(service: Service, slice: EndpointSlice): Endpoint[] {
  if (slice.addressType !== 'IPv4') return [];
  return (slice.endpoints ?? []).filter(
    (each) => each.conditions?.ready !== false || service.spec.publishNotReadyAddresses === true,
  );
}

function endpointsOf(api: ObjectApi, service: Service): Endpoint[] {
  return slicesOf(api, service).flatMap((slice) => readyOf(service, slice));
}

function hostOf(endpoint: Endpoint): string {
  return endpoint.hostname ?? (endpoint.addresses[0] ?? '').replaceAll('.', '-');
}

function shuffled<T>(values: readonly T[]): T[] {
  const list = [...values];
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}
