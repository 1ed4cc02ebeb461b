// What passed through the mesh, from the access logs of its proxies, as far back as the nodes keep them. In: how far back. Out: one flow of
// each kind with how often it was there. Called by simulate.ts.
import type { OpenedCluster } from '../cluster/open.ts';
import { decide } from '../explain/decide.ts';
import { recordedQuestion, serviceAt } from '../explain/recorded.ts';
import type { World } from '../explain/world.ts';
import { type Flow, flowOf } from '../traffic/access-line.ts';
import { hostAndPort } from '../traffic/flow-address.ts';
import { noProxies, proxyPods } from '../traffic/read-traffic.ts';
import type { Flow as NamedFlow } from './question.ts';

/** What the logs said. */
export interface AccessLogs {
  readonly flows: readonly Flow[];
  /** Pods whose log could not be read. */
  readonly unread: readonly string[];
  /** Time of the first line; empty without any. */
  readonly oldest: string;
}

/** Reads the logs of all proxies. Throws what the API server says where none may be read. */
export async function readAccessLogs(api: OpenedCluster, sinceSeconds: number): Promise<AccessLogs> {
  const pods = await proxyPods(api);
  if (pods.length === 0) throw noProxies();
  const texts = await Promise.allSettled(
    pods.map(async ({ namespace, name }) => api.podLog({ namespace, name, sinceSeconds })),
  );
  const [first] = texts.filter((text) => text.status === 'rejected');
  if (first !== undefined && texts.every(({ status }) => status === 'rejected')) throw first.reason;
  const flows = texts.flatMap((text) =>
    text.status === 'fulfilled' ? text.value.split('\n').flatMap((line) => flowOf(line) ?? []) : [],
  );
  return {
    flows,
    unread: pods.filter((_, index) => texts[index]?.status === 'rejected').map(({ name }) => name),
    oldest: flows.reduce((oldest, { time }) => (oldest === '' || time < oldest ? time : oldest), ''),
  };
}

/** Flows that are decided alike. */
export interface FlowKind {
  /** One of them. */
  readonly flow: Flow;
  /** As people write it. */
  readonly named: NamedFlow;
  readonly count: number;
  /** Connections to a waypoint that logs no requests were tried as the request that was given. */
  readonly isAssumed: boolean;
}

const withoutQuery = (path: string): string => path.split('?', 1)[0] ?? '';

/** A flow as it is asked again, with its name. */
interface Asked {
  readonly flow: Flow;
  readonly named: NamedFlow;
  readonly isAssumed: boolean;
}

/**
 * Kinds of flows, the most frequent first. A connection counts at its source, one from outside the mesh where it arrived. Where a waypoint
 * logs requests they stand for the connections that carried them. Pure.
 */
export function kindsOfFlows(
  world: World,
  flows: readonly Flow[],
  request: { readonly method: string; readonly path: string },
): readonly FlowKind[] {
  const placesOfRequests = new Set(
    flows.flatMap((flow) => {
      const question = flow.direction === 'waypoint' ? recordedQuestion(world, flow) : undefined;
      return question === undefined || typeof question === 'string' || question.kind !== 'way'
        ? []
        : [placeText(question.question.destination)];
    }),
  );
  const kinds = new Map<string, FlowKind>();
  for (const one of flows) {
    const asked = askedOf(world, one, placesOfRequests, request);
    if (asked === undefined) continue;
    const key = JSON.stringify(asked.named);
    kinds.set(key, { ...asked, count: (kinds.get(key)?.count ?? 0) + 1 });
  }
  return [...kinds.values()].toSorted((a, b) => b.count - a.count);
}

const placeText = ({ ip, port }: { readonly ip: string; readonly port: number }): string => `${ip} ${port}`;

function askedOf(
  world: World,
  flow: Flow,
  placesOfRequests: ReadonlySet<string>,
  request: { readonly method: string; readonly path: string },
): Asked | undefined {
  if (flow.direction === 'inbound' && flow.sourceIdentity !== '') return undefined;
  const question = recordedQuestion(world, flow);
  if (typeof question === 'string') return undefined;
  if (question.kind === 'inbound') {
    const { destination, port } = question.question;
    const from = hostAndPort(flow.sourceAddress)?.host ?? flow.source;
    return {
      flow,
      named: { from, to: `${destination.namespace}/${destination.workloadName}`, port },
      isAssumed: false,
    };
  }
  const { source, destination } = question.question;
  const { namespace, serviceAccount } = source;
  const service = serviceAt(world.snapshot, destination.ip);
  const named = {
    from: `${namespace}/sa/${serviceAccount}`,
    to: service === undefined ? destination.ip : `${service.namespace}/${service.name}`,
    port: destination.port,
  };
  if (flow.direction === 'waypoint') {
    const path = withoutQuery(flow.path);
    return { flow: { ...flow, path }, named: { ...named, method: flow.method, path }, isAssumed: false };
  }
  if (placesOfRequests.has(placeText(destination))) return undefined;
  const isThroughWaypoint = decide(world, question.question).steps.some(({ name }) => name === 'waypoint');
  return isThroughWaypoint
    ? { flow: { ...flow, ...request }, named: { ...named, ...request }, isAssumed: true }
    : { flow, named, isAssumed: false };
}
