// What a proxy recorded of a connection or request -> the question that it had to decide. In: a flow, and the world as it is. Out: a question
// for `decide`, or what is missing. Pure. Called by conn.ts and policy/simulate.ts.
import {
  findServiceByHostname,
  HBONE_PORT,
  type Service,
  serviceKey,
  type Snapshot,
  type Workload,
} from '@ambit/state';
import type { Flow } from '../traffic/access-line.ts';
import { hostAndPort } from '../traffic/flow-address.ts';
import { type ConnectionQuestion, decide, decideInbound, type InboundQuestion, type Verdict } from './decide.ts';
import type { World } from './world.ts';

/** The whole way, as the source begins it; or the last part alone, as a node proxy sees who comes. */
export type RecordedQuestion =
  | { readonly kind: 'way'; readonly question: ConnectionQuestion }
  | { readonly kind: 'inbound'; readonly question: InboundQuestion };

interface Addresses {
  readonly workloads: ReadonlyMap<string, Workload>;
  readonly names: ReadonlyMap<string, Workload>;
  readonly services: ReadonlyMap<string, Service>;
}

const known = new WeakMap<Snapshot, Addresses>();

/** Records by address and by `namespace/name` of pod and workload, of every network. */
function addressesOf(snapshot: Snapshot): Addresses {
  const found = known.get(snapshot);
  if (found !== undefined) return found;
  const [workloads, names] = [new Map<string, Workload>(), new Map<string, Workload>()];
  for (const workload of snapshot.workloads.values()) {
    const { namespace, name, workloadName } = workload;
    for (const ip of workload.ips) if (!workloads.has(ip)) workloads.set(ip, workload);
    if (!names.has(`${namespace}/${workloadName}`)) names.set(`${namespace}/${workloadName}`, workload);
    names.set(`${namespace}/${name}`, workload);
  }
  const services = new Map<string, Service>();
  for (const service of snapshot.services.values()) for (const { ip } of service.vips) services.set(ip, service);
  const made = { workloads, names, services };
  known.set(snapshot, made);
  return made;
}

/** The port of a service that leads to a port of a workload. */
function servicePort(snapshot: Snapshot, service: Service, workload: Workload | undefined, port: number): number {
  const mapped = workload === undefined ? undefined : snapshot.endpoints.get(serviceKey(service))?.get(workload.uid);
  for (const [from, to] of Object.entries(mapped?.ports ?? {})) if (to === port) return Number(from);
  return port;
}

/** The service of a virtual address, of any network. */
export const serviceAt = (snapshot: Snapshot, ip: string): Service | undefined =>
  addressesOf(snapshot).services.get(ip);

interface Place {
  readonly ip: string;
  readonly port: number;
  readonly host: string;
}

const onlyPort = ({ ports }: Service): number | undefined => {
  const [first, ...others] = Object.keys(ports);
  return first === undefined || others.length > 0 ? undefined : Number(first);
};

/** Where the application wanted to go. */
function placeOf(world: World, flow: Flow): Place | string {
  const { workloads } = addressesOf(world.snapshot);
  const told = hostAndPort(flow.authority) ?? hostAndPort(flow.destinationAddress);
  const service =
    (told === undefined ? undefined : serviceAt(world.snapshot, told.host)) ??
    findServiceByHostname(world.snapshot, flow.service, undefined);
  if (service === undefined)
    return told === undefined ? 'it does not say where to' : { ip: told.host, port: told.port, host: told.host };
  const ip = service.vips[0]?.ip;
  if (ip === undefined) return `service ${service.hostname} has no address`;
  const port =
    told === undefined || told.port === HBONE_PORT
      ? onlyPort(service)
      : servicePort(world.snapshot, service, workloads.get(told.host), told.port);
  return port === undefined ? `it does not say which port of ${service.hostname}` : { ip, port, host: service.name };
}

function sourceOf(world: World, flow: Flow): Workload | undefined {
  const { workloads, names } = addressesOf(world.snapshot);
  return names.get(flow.source) ?? workloads.get(hostAndPort(flow.sourceAddress)?.host ?? '');
}

/** The question that the reporter decided, or why it cannot be asked. */
export function recordedQuestion(world: World, flow: Flow): RecordedQuestion | string {
  const { workloads, names } = addressesOf(world.snapshot);
  if (flow.direction === 'inbound') {
    const told = hostAndPort(flow.authority) ?? hostAndPort(flow.destinationAddress);
    const destination = names.get(flow.destination) ?? workloads.get(told?.host ?? '');
    if (destination === undefined || told === undefined)
      return `nothing is known of ${flow.destination || flow.destinationAddress}`;
    if (told.port === HBONE_PORT) return 'it was refused before it said what it wants';
    const sourceIp = hostAndPort(flow.sourceAddress)?.host ?? '';
    const question = { destination, port: told.port, sourceIp, sourceIdentity: flow.sourceIdentity || undefined };
    return { kind: 'inbound', question };
  }
  const source = sourceOf(world, flow);
  if (source === undefined) return `nothing is known of ${flow.source || flow.sourceAddress}`;
  const place = placeOf(world, flow);
  if (typeof place === 'string') return place;
  const { method, path } = flow;
  return {
    kind: 'way',
    question: {
      source,
      isCaptured: source.protocol === 'HBONE',
      destination: { ip: place.ip, port: place.port },
      ...(method === '' ? {} : { request: { method, path, host: `${place.host}:${place.port}`, headers: [] } }),
    },
  };
}

/**
 * What the policies say now. Of a connection into a waypoint only the way there is decided: what the waypoint decides are the requests inside,
 * and the source does not know them.
 */
export function decideRecorded(world: World, recorded: RecordedQuestion): Verdict {
  if (recorded.kind === 'inbound') return decideInbound(world, recorded.question);
  const verdict = decide(world, recorded.question);
  const at = verdict.steps.findIndex(({ name }) => name === 'waypoint');
  if (at < 0 || recorded.question.request !== undefined) return verdict;
  return {
    outcome: 'undecided',
    summary: 'UNDECIDED: the waypoint decides about each request in it; its own lines name them',
    steps: verdict.steps.slice(0, at + 1),
    by: [],
  };
}
