// In: the world, a source, a destination, a request. Out: the verdict, step by step, with the packages that the data plane decides with.
// Pure. Called by explain/run.ts and policy/simulate.ts (spec user-tools 2.6).
import {
  compileAuthorizer,
  compileRouteTable,
  type ConnectionView,
  HeaderList,
  normalizePath,
  peerFactsOf,
  type RequestView,
} from '@ambit/l7';
import {
  authorizeL4,
  identityOf,
  type L4Decision,
  type OutboundDecision,
  resolveOutbound,
  type Service,
  serviceKey,
  type Snapshot,
  type Workload,
} from '@ambit/state';
import { AuthzPolicy_Action, type PolicyRef } from '@ambit/proto/waypoint';
import { nearestRules } from './nearest-rule.ts';
import type { World } from './world.ts';

/** A connection, and what is sent over it. */
export interface ConnectionQuestion {
  /** The workload that connects. */
  readonly source: Workload;
  /** False: it is not in the mesh, so it has no identity to show. */
  readonly isCaptured: boolean;
  readonly destination: { readonly ip: string; readonly port: number };
  /** Absent for TCP. */
  readonly request?: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly headers: readonly (readonly [string, string])[];
  };
}

/** One step of the way. */
export interface Step {
  readonly name: 'capture' | 'resolve' | 'transport' | 'waypoint' | 'L7' | 'route' | 'L4';
  readonly text: string;
}

/** A policy that had a say. */
export interface DecidingPolicy {
  /** `namespace/name`; empty where ALLOW policies are there and none fits. */
  readonly policy: string;
  readonly layer: 'L4' | 'L7';
  readonly isAllowed: boolean;
}

/** Where the connection or request ends. */
export interface Verdict {
  readonly outcome: 'allowed' | 'denied' | 'undecided';
  /** One line: where, and what the client sees. */
  readonly summary: string;
  readonly steps: readonly Step[];
  /** Policy that decided, when one did. */
  readonly policy?: string;
  /** Policies that let it through, in the order of the way, and the one that refused. */
  readonly by: readonly DecidingPolicy[];
}

const show = (workload: Workload): string => `${workload.namespace}/${workload.name}`;
const l4Text = (decision: L4Decision): string =>
  decision.allow
    ? decision.by === undefined
      ? 'no policy applies: allowed'
      : `allowed by ${decision.by.policy}`
    : `DENIED: ${decision.message}`;

interface L4Hop {
  readonly destination: Workload;
  readonly port: number;
  readonly sourceIp: string;
  readonly sourceIdentity: string | undefined;
}

function l4(snapshot: Snapshot, hop: L4Hop): L4Decision {
  return authorizeL4(snapshot, {
    destination: hop.destination,
    sourceIp: hop.sourceIp,
    destinationIp: hop.destination.ips[0] ?? '',
    destinationPort: hop.port,
    ...(hop.sourceIdentity === undefined ? {} : { sourceIdentity: hop.sourceIdentity }),
  });
}

/** Collects steps until something ends the way. */
class Way {
  readonly steps: Step[] = [];
  readonly by: DecidingPolicy[] = [];
  add(name: Step['name'], text: string): void {
    this.steps.push({ name, text });
  }
  end(outcome: Verdict['outcome'], summary: string, policy?: string): Verdict {
    return { outcome, summary, steps: this.steps, by: this.by, ...(policy === undefined ? {} : { policy }) };
  }
}

function endpointsOf(
  snapshot: Snapshot,
  key: string,
  port: number,
): readonly { readonly workload: Workload; readonly port: number }[] {
  return [...(snapshot.endpoints.get(key)?.values() ?? [])]
    .filter(({ workload }) => workload.healthy)
    .map((endpoint) => ({
      workload: endpoint.workload,
      port: (endpoint.ports as Readonly<Record<number, number>>)[port] ?? port,
    }));
}

/** The last hop: every endpoint that may be chosen has to let it in. */
function atEndpoints(
  way: Way,
  world: World,
  endpoints: readonly { readonly workload: Workload; readonly port: number }[],
  from: { readonly ip: string; readonly identity: string | undefined },
): Verdict {
  const decisions = endpoints.map(({ workload, port }) => ({
    workload,
    decision: l4(world.snapshot, { destination: workload, port, sourceIp: from.ip, sourceIdentity: from.identity }),
  }));
  for (const { workload, decision } of decisions) {
    way.add('L4', `${show(workload)}: ${l4Text(decision)}`);
    const policy = decision.allow ? decision.by?.policy : (decision.policy ?? '');
    const isKnown = way.by.some(
      (one) => one.layer === 'L4' && one.policy === policy && one.isAllowed === decision.allow,
    );
    if (policy !== undefined && !isKnown) way.by.push({ policy, layer: 'L4', isAllowed: decision.allow });
  }
  const refused = decisions.flatMap(({ workload, decision }) => (decision.allow ? [] : [{ workload, decision }]));
  const [first] = refused;
  if (first === undefined)
    return way.end('allowed', `ALLOWED${endpoints.length > 1 ? ` at all ${endpoints.length} endpoints` : ''}`);
  const where =
    refused.length === decisions.length
      ? `at ${show(first.workload)}`
      : `at ${refused.length} of ${decisions.length} endpoints, for example ${show(first.workload)}`;
  return way.end('denied', `DENIED ${where} (the connection is closed)`, first.decision.policy);
}

function requestView(question: ConnectionQuestion, port: number): RequestView | ConnectionView {
  const sourceIp = question.source.ips[0] ?? '';
  const connection: ConnectionView = {
    peer: peerFactsOf(question.isCaptured ? identityOf(question.source) : undefined),
    sourceIp,
    remoteIp: sourceIp,
    destinationIp: question.destination.ip,
    port,
    sni: undefined,
  };
  const { request } = question;
  if (request === undefined) return connection;
  const normalized = normalizePath(request.path, 'base');
  return {
    ...connection,
    method: request.method,
    scheme: 'http',
    authority: request.host,
    path: normalized.ok ? normalized.path : request.path,
    query: normalized.ok ? normalized.query : undefined,
    headers: HeaderList.fromRaw(request.headers.flat()),
  };
}

const isRequest = (view: RequestView | ConnectionView): view is RequestView => 'method' in view;

/** Policies of a waypoint that allow this, each asked by itself; of a refusal the one that refuses. */
function decidersAt(
  world: World,
  refs: readonly PolicyRef[],
  view: RequestView | ConnectionView,
  port: number,
  isAllowed: boolean,
): readonly DecidingPolicy[] {
  const wanted = isAllowed ? AuthzPolicy_Action.ALLOW : AuthzPolicy_Action.DENY;
  const found = refs.filter((ref) => {
    const policy = world.policy(ref.policy);
    if (policy?.body.case !== 'authz' || policy.dryRun || policy.body.value.action !== wanted) return false;
    if (ref.ports.length > 0 && !ref.ports.includes(port)) return false;
    const protocol = isRequest(view) ? 'http' : 'tcp';
    return compileAuthorizer({ refs: [ref], lookup: world.policy, protocol, port }).authorize(view).allow === isAllowed;
  });
  const named = found.map(({ policy }) => policy.slice(policy.indexOf('/') + 1));
  return (named.length === 0 && !isAllowed ? [''] : named).map((policy) => ({ policy, layer: 'L7', isAllowed }));
}

function atWaypoint(
  way: Way,
  world: World,
  question: ConnectionQuestion,
  decision: Extract<OutboundDecision, { kind: 'hbone' }>,
  service: Service,
): Verdict {
  const waypoint = show(decision.workload);
  const key = serviceKey(service);
  const { port } = question.destination;
  const frontend = world.frontend(key);
  if (frontend === undefined)
    return way.end('undecided', `UNDECIDED: waypoint ${waypoint} is told nothing of ${service.hostname}`);
  const view = requestView(question, port);
  const authorizer = compileAuthorizer({
    refs: frontend.policies,
    lookup: world.policy,
    protocol: isRequest(view) ? 'http' : 'tcp',
    port,
  });
  for (const problem of authorizer.problems)
    way.add('L7', `policy cannot be used, so everything is denied: ${problem}`);
  const verdict = authorizer.authorize(view);
  way.by.push(...decidersAt(world, frontend.policies, view, port, verdict.allow));
  if (!verdict.allow) {
    const policy = verdict.policy === 'none' ? 'no ALLOW policy matches' : verdict.policy;
    way.add('L7', `DENIED: ${policy}`);
    if (verdict.policy === 'none') {
      const question = { view, port, refs: frontend.policies, lookup: world.policy } as const;
      for (const line of nearestRules({ ...question, protocol: isRequest(view) ? 'http' : 'tcp' })) way.add('L7', line);
    }
    return way.end(
      'denied',
      `DENIED at waypoint ${waypoint} (${isRequest(view) ? 'HTTP 403 RBAC: access denied' : 'the connection is closed'})`,
      verdict.policy,
    );
  }
  way.add('L7', authorizer.isOpen ? 'no policy restricts it' : 'allowed');
  const target = routeOf(way, world, frontend.ports.find((one) => one.port === port)?.routeTable ?? '', view);
  if (target?.reply !== undefined) return way.end('denied', `ANSWERED at waypoint ${waypoint}: HTTP ${target.reply}`);
  const backend = target?.backend === undefined ? undefined : world.backend(target.backend);
  const backendKey =
    backend === undefined ? key : `${backend.serviceNamespace || service.namespace}/${backend.hostname}`;
  const endpoints = endpointsOf(world.snapshot, backendKey, backend?.port ?? port);
  if (endpoints.length === 0)
    return way.end('denied', `FAILED at waypoint ${waypoint}: ${backendKey} has no healthy endpoint (HTTP 503)`);
  return atEndpoints(way, world, endpoints, {
    ip: decision.workload.ips[0] ?? '',
    identity: identityOf(decision.workload),
  });
}

function routeOf(
  way: Way,
  world: World,
  key: string,
  view: RequestView | ConnectionView,
): { readonly backend?: string; readonly reply?: number } | undefined {
  const table = key === '' || !isRequest(view) ? undefined : world.routeTable(key);
  if (table === undefined || !isRequest(view)) return undefined;
  const chosen = compileRouteTable(table).select(view, () => 0);
  if (chosen.kind === 'reply') {
    way.add('route', `no rule forwards it: HTTP ${chosen.reply.status}`);
    return { reply: chosen.reply.status };
  }
  const shares = chosen.route.source.action.case === 'forward' ? chosen.route.source.action.value.targets : [];
  way.add(
    'route',
    `rule ${chosen.route.name} -> ${shares.map(({ backend, weight }) => `${backend} (${weight})`).join(', ') || chosen.target.backend}`,
  );
  return { backend: chosen.target.backend };
}

/** Follows a connection from its source to its end. */
export function decide(world: World, question: ConnectionQuestion): Verdict {
  const way = new Way();
  const { source, destination } = question;
  const sourceIp = source.ips[0] ?? '';
  const { snapshot } = world;
  way.add(
    'capture',
    question.isCaptured
      ? `${show(source)} on node ${source.node || 'unknown'} is in the mesh`
      : `${show(source)} is not in the mesh: it has no identity, and no waypoint sees it`,
  );
  if (!question.isCaptured) return plaintext(way, world, question);
  const decision = resolveOutbound(snapshot, { source, sourceIp, destination }, () => 0);
  if (decision.kind === 'reject') {
    way.add('resolve', decision.message);
    return way.end('denied', `FAILED at the source: ${decision.message}`);
  }
  const service = decision.service;
  way.add(
    'resolve',
    `${destination.ip}:${destination.port}${service === undefined ? ' is no service' : ` -> service ${serviceKey(service)}, ${endpointsOf(snapshot, serviceKey(service), destination.port).length} healthy endpoints`}`,
  );
  if (decision.kind === 'passthrough')
    return way.end('allowed', 'ALLOWED: the destination is outside the mesh, the connection goes there as it is');
  if (decision.kind === 'double-hbone') {
    way.add('transport', `double HBONE through network gateway ${show(decision.gateway)}`);
    return way.end('undecided', 'UNDECIDED: the other network decides');
  }
  if (decision.kind === 'tcp') {
    way.add('transport', `plaintext: ${show(decision.workload)} takes no tunnels`);
    return atEndpoints(
      way,
      world,
      [{ workload: decision.workload, port: 'port' in decision.target ? decision.target.port : destination.port }],
      { ip: sourceIp, identity: undefined },
    );
  }
  way.add('transport', `HBONE mTLS, client ${identityOf(source)}, server ${decision.expected.join(' or ')}`);
  if (decision.via === 'direct') {
    const endpoints =
      service === undefined
        ? [{ workload: decision.workload, port: decision.authorityPort }]
        : endpointsOf(snapshot, serviceKey(service), destination.port);
    return atEndpoints(way, world, endpoints, { ip: sourceIp, identity: identityOf(source) });
  }
  way.add('waypoint', `through ${show(decision.workload)}`);
  if (service === undefined)
    return way.end(
      'undecided',
      `UNDECIDED: workload traffic through waypoint ${show(decision.workload)} is not followed`,
    );
  return atWaypoint(way, world, question, decision, service);
}

/** A connection as the node proxy of its destination sees it: who comes, however it came here. */
export interface InboundQuestion {
  readonly destination: Workload;
  /** What the application listens on. */
  readonly port: number;
  readonly sourceIp: string;
  /** Identity URI of the TLS peer; undefined for plaintext. */
  readonly sourceIdentity: string | undefined;
}

/** The last step alone. */
export function decideInbound(world: World, { destination, port, sourceIp, sourceIdentity }: InboundQuestion): Verdict {
  const way = new Way();
  way.add(
    'transport',
    sourceIdentity === undefined ? `plaintext from ${sourceIp}` : `HBONE mTLS, client ${sourceIdentity}`,
  );
  return atEndpoints(way, world, [{ workload: destination, port }], { ip: sourceIp, identity: sourceIdentity });
}

/** A source outside the mesh reaches endpoints directly, without an identity. */
function plaintext(way: Way, world: World, { source, destination }: ConnectionQuestion): Verdict {
  const decision = resolveOutbound(world.snapshot, { source, sourceIp: source.ips[0] ?? '', destination }, () => 0);
  const service = decision.kind === 'reject' ? undefined : decision.service;
  const direct =
    decision.kind === 'hbone' && decision.via === 'direct'
      ? decision.workload
      : decision.kind === 'tcp'
        ? decision.workload
        : undefined;
  const endpoints =
    service === undefined
      ? direct === undefined
        ? []
        : [{ workload: direct, port: destination.port }]
      : endpointsOf(world.snapshot, serviceKey(service), destination.port);
  if (endpoints.length === 0) return way.end('undecided', 'UNDECIDED: nothing in the mesh has this address');
  way.add('transport', 'plaintext');
  return atEndpoints(way, world, endpoints, { ip: source.ips[0] ?? '', identity: undefined });
}
