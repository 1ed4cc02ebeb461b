/**
 * Backend + snapshot -> everything that may be chosen (spec/waypoint.md 1.8, 5.5, 5.9): members of a service, static endpoints,
 * addresses of names, the address that the client dialled. Pure. Called by pick.ts; data thread.
 */
import { type Backend, Backend_Kind } from '@ambit/proto/waypoint';
import {
  type Endpoint,
  findWorkload,
  identityOf,
  type Service,
  type Snapshot,
  targetPortOf,
  type Workload,
} from '@ambit/state';
import { isHostName } from '../http/client-hello.ts';
import { placingOf, type Portion } from './locality.ts';
import type { Names } from './names.ts';
import type { PickInput, UpstreamEndpoint } from './pick.ts';

/** One that may be chosen. */
export interface Candidate {
  readonly endpoint: UpstreamEndpoint;
  readonly weight: number;
  /** 0 is the best; the others count when too few of it are healthy. */
  readonly priority: number;
  /** The part of the traffic that its locality gets. */
  readonly portion?: Portion | undefined;
}

interface Known {
  readonly network: string;
  readonly self: Workload | undefined;
  readonly candidates: readonly Candidate[];
}

/** Members of services in one snapshot: the same for every request until something of the mesh changes. */
const membersOf = new WeakMap<Snapshot, WeakMap<Backend, Known>>();
const statics = new WeakMap<Backend, readonly Candidate[]>();

/** Everything that may be chosen, with its weight; empty for what nobody here resolves. */
export const candidatesOf = (input: PickInput, names: Names | undefined): readonly Candidate[] => {
  const { backend, frontend, snapshot } = input;
  if (backend === undefined)
    return frontend === undefined ? [] : workloadCandidates(input, frontend.workloadUid, frontend.port);
  if (backend.noTraffic) return [];
  switch (backend.kind) {
    case Backend_Kind.SERVICE:
      return knownMembers(input, backend);
    case Backend_Kind.STATIC: {
      let known = statics.get(backend);
      if (known === undefined) statics.set(backend, (known = staticCandidates(backend)));
      return known;
    }
    case Backend_Kind.PASSTHROUGH: {
      const { destinationIp, network } = input;
      const workload = destinationIp === undefined ? undefined : findWorkload(snapshot, network, destinationIp);
      if (workload !== undefined) return workloadCandidates(input, workload.uid, backend.port || (frontend?.port ?? 0));
      return destinationIp === undefined ? [] : [plain(destinationIp, backend.port || (frontend?.port ?? 0), 1)];
    }
    case Backend_Kind.DNS:
    case Backend_Kind.DNS_ROUND_ROBIN:
      return namedCandidates(backend, snapshot, names);
    case Backend_Kind.DYNAMIC_DNS:
      return dynamicCandidates(backend, input.host, names);
    default:
      return []; // inference pools: not yet
  }
};

/** True for backends whose endpoints are names. */
export const isNamed = ({ kind }: Backend): boolean =>
  kind === Backend_Kind.DNS || kind === Backend_Kind.DNS_ROUND_ROBIN;

/** The name of a request as it is resolved; undefined when the backend does not answer for it. */
export const dynamicNameOf = ({ hostname }: Backend, host: string | undefined): string | undefined => {
  const name = hostOf(host);
  const suffix = hostname.startsWith('*') ? hostname.slice(1).toLowerCase() : undefined;
  if (name === undefined || !isHostName(name)) return undefined;
  const isOurs = suffix === undefined ? name === hostname : name.endsWith(suffix) && name.length > suffix.length;
  return isOurs ? name : undefined;
};

/** `Host` without port and the dot of the root. */
const hostOf = (authority: string | undefined): string | undefined => {
  const host = authority?.toLowerCase().split(':', 1)[0];
  return host?.endsWith('.') === true ? host.slice(0, -1) : host;
};

/**
 * Addresses of the name that the client chose. Never this machine: who owns a name under the wildcard must not reach the admin
 * port of the waypoint.
 */
const dynamicCandidates = (backend: Backend, host: string | undefined, names: Names | undefined): Candidate[] => {
  const name = dynamicNameOf(backend, host);
  const addresses = name === undefined ? [] : (names?.addressesOf(name) ?? []);
  return addresses.filter((ip) => !isOwnMachine(ip)).map((ip) => plain(ip, backend.port, 1));
};

const isOwnMachine = (ip: string): boolean => {
  const plainIp = ip.startsWith('::ffff:') ? ip.slice('::ffff:'.length) : ip;
  return plainIp.startsWith('127.') || plainIp.startsWith('0.') || plainIp === '::1' || plainIp === '::';
};

interface NamedHost {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
}

/** Names behind a backend: its own endpoints, else the members of its service, else its host name. Members with tunnels have no names. */
export const hostsOf = (backend: Backend, snapshot: Snapshot): NamedHost[] => {
  if (backend.endpoints.length > 0) {
    return backend.endpoints.flatMap(({ address, port, weight, hbone }) =>
      hbone ? [] : [{ host: address, port: port || backend.port, weight: weight || 1 }],
    );
  }
  const key = `${backend.serviceNamespace}/${backend.hostname}`;
  const service = snapshot.services.get(key);
  const members = [...(snapshot.endpoints.get(key)?.values() ?? [])];
  if (service === undefined || members.length === 0) {
    return backend.hostname.startsWith('*') ? [] : [{ host: backend.hostname, port: backend.port, weight: 1 }];
  }
  const subset = backend.subset === '' ? undefined : new Set(backend.members);
  return members.flatMap((member) => {
    const { workload } = member;
    const port = targetPortOf(service, member, backend.port);
    const host = workload.hostname || workload.ips[0];
    const isOut = workload.protocol === 'HBONE' || workload.capacity === 0 || subset?.has(workload.uid) === false;
    return port === undefined || host === undefined || isOut ? [] : [{ host, port, weight: workload.capacity }];
  });
};

/** Every address is an endpoint; with DNS_ROUND_ROBIN only the first of each name. */
const namedCandidates = (backend: Backend, snapshot: Snapshot, names: Names | undefined): Candidate[] =>
  hostsOf(backend, snapshot).flatMap(({ host, port, weight }) => {
    const addresses = names?.addressesOf(host) ?? [];
    const used = backend.kind === Backend_Kind.DNS ? addresses : addresses.slice(0, 1);
    return used.map((ip) => plain(ip, port, weight));
  });

const knownMembers = (input: PickInput, backend: Backend): readonly Candidate[] => {
  const { snapshot, network, self } = input;
  let ofSnapshot = membersOf.get(snapshot);
  if (ofSnapshot === undefined) membersOf.set(snapshot, (ofSnapshot = new WeakMap()));
  const known = ofSnapshot.get(backend);
  if (known !== undefined && known.network === network && known.self === self) return known.candidates;
  const candidates = serviceCandidates(input, backend);
  ofSnapshot.set(backend, { network, self, candidates });
  return candidates;
};

const serviceCandidates = (input: PickInput, backend: Backend): Candidate[] => {
  const key = `${backend.serviceNamespace}/${backend.hostname}`;
  const service = input.snapshot.services.get(key);
  const members = input.snapshot.endpoints.get(key);
  if (service === undefined || members === undefined) return [];
  const subset = backend.subset === '' ? undefined : new Set(backend.members);
  const usable: Endpoint[] = [];
  for (const [uid, member] of members) {
    if (subset !== undefined && !subset.has(uid)) continue;
    if (isUsable(member.workload, service, input.network)) usable.push(member);
  }
  const placing = placingOf(backend, service, input.self);
  return usable.flatMap((member) => {
    const port = targetPortOf(service, member, backend.port);
    const place = placing(member.workload);
    if (port === undefined || place === undefined) return [];
    return [{ ...endpointOf(member.workload, port, service.subjectAltNames), ...place }];
  });
};

const isUsable = (workload: Workload, service: Service, network: string): boolean => {
  if (!workload.healthy && service.loadBalancer?.healthPolicy !== 'ALLOW_ALL') return false;
  return workload.capacity > 0 && workload.ips.length > 0 && workload.network === network;
};

const workloadCandidates = (input: PickInput, uid: string | undefined, port: number): Candidate[] => {
  const workload = uid === undefined ? undefined : input.snapshot.workloads.get(uid);
  return workload === undefined || workload.ips.length === 0 || workload.network !== input.network
    ? []
    : [endpointOf(workload, port, [])];
};

const endpointOf = (workload: Workload, port: number, extraNames: readonly string[]): Candidate => {
  const ip = workload.ips[0] as string;
  const isTunnelled = workload.protocol === 'HBONE';
  const expected = isTunnelled ? [identityOf(workload), ...extraNames] : [];
  return {
    weight: workload.capacity,
    priority: 0,
    endpoint: {
      ip,
      port,
      transport: isTunnelled ? 'hbone' : 'tcp',
      expected,
      workload,
      key: `${isTunnelled ? 'hbone' : 'tcp'} ${ip} ${port} ${expected.join(' ')}`,
    },
  };
};

const plain = (ip: string, port: number, weight: number): Candidate => ({
  weight,
  priority: 0,
  endpoint: { ip, port, transport: 'tcp', expected: [], workload: undefined, key: `tcp ${ip} ${port}` },
});

const staticCandidates = (backend: Backend): Candidate[] =>
  backend.endpoints
    .filter((endpoint) => !endpoint.hbone || backend.subjectAltNames.length > 0)
    .map((endpoint) => {
      const made = plain(endpoint.address, endpoint.port || backend.port, endpoint.weight || 1);
      if (!endpoint.hbone) return made;
      const expected = backend.subjectAltNames;
      const key = `hbone ${endpoint.address} ${endpoint.port} ${expected.join(' ')}`;
      return { ...made, endpoint: { ...made.endpoint, transport: 'hbone', expected, key } };
    });
