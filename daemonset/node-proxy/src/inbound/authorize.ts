/**
 * One CONNECT request (or captured plaintext connection) and a snapshot in; where it may go, or why not, out.
 * Path 2, step 4, pure.
 *
 * Called by `listener.ts` and `passthrough.ts`; the policy watcher asks `isStillAllowed` again after each change of
 * policies. Rules: spec/node-proxy.md 3.2 (requests), 3.3 (plaintext), 6 (policies).
 */
import {
  authorizeL4,
  type ConnectionFacts,
  destinationService,
  findSource,
  formatIpPort,
  identityOf,
  type InboundAuthority,
  type IpPort,
  type L4Decision,
  resolveInbound,
  type Service,
  type Snapshot,
  type Workload,
} from '@ambit/state';
import { unquoted } from '@ambit/runtime/log-format';
import { NodeProxyError, selfCall } from '../telemetry/response-flags.ts';

/** What policies are checked against; kept with the connection for later checks. */
export type PolicyFacts = Omit<ConnectionFacts, 'destination'> & {
  /** Uid of the workload that is connected to: its record is looked up anew for each check. */
  readonly destinationUid: string;
  /** The record when the connection began, used when the uid is gone. */
  readonly destination: Workload;
  /** Name of the source workload for the log, when it is known. */
  readonly sourceWorkload?: string;
};

/** How a missing policy counts (decision W3). */
export type MissingPolicy = 'deny' | 'upstream';

/** One CONNECT request after parsing. */
export interface TunnelFacts {
  readonly own: Workload;
  readonly authority: InboundAuthority;
  readonly remote: IpPort;
  readonly localIp: string;
  readonly illegalPorts: ReadonlySet<number>;
  /** Identity of the TLS peer. */
  readonly peer: string;
  readonly forwardedNetwork: string | undefined;
  readonly forwardedHost: string | undefined;
}

/** Where an inbound connection goes. */
export type InboundPlan =
  | {
      readonly kind: 'forward';
      readonly target: IpPort;
      /** Where a PROXY header says the connection was meant for; undefined: no header. */
      readonly proxyDestination: IpPort | undefined;
      readonly source: Workload | undefined;
      readonly service: Service | undefined;
      readonly facts: PolicyFacts;
    }
  | { readonly kind: 'refuse'; readonly status: 400 | 503; readonly error: NodeProxyError };

/** Plans a CONNECT request. The policy check is separate, because it is repeated. */
export function planTunnel(snapshot: Snapshot, request: TunnelFacts): InboundPlan {
  const { own, authority, localIp, illegalPorts, remote } = request;
  const decision = resolveInbound(snapshot, { own, authority, localIp, illegalPorts });
  if (decision.kind === 'reject') {
    return {
      kind: 'refuse',
      status: decision.status,
      error: new NodeProxyError('ERR_NODE_PROXY_NO_ROUTE', decision.message),
    };
  }
  const { target } = decision;
  const source = findSource(snapshot, own, remote.ip, request.forwardedNetwork);
  return {
    kind: 'forward',
    target,
    proxyDestination: decision.proxyDestination,
    source,
    service: destinationService(own, decision.services, target.port, request.forwardedHost),
    facts: {
      destinationUid: own.uid,
      destination: own,
      ...(source === undefined ? {} : { sourceWorkload: source.name }),
      sourceIp: remote.ip,
      sourceIdentity: request.peer,
      destinationIp: target.ip,
      destinationPort: target.port,
    },
  };
}

/** Plans a captured plaintext connection: straight to its original destination, or a refusal. */
export function planPlaintext(
  snapshot: Snapshot,
  request: {
    readonly own: Workload;
    readonly remote: IpPort;
    readonly destination: IpPort;
    readonly illegalPorts: ReadonlySet<number>;
  },
): InboundPlan {
  const { own, remote, destination } = request;
  if (request.illegalPorts.has(destination.port)) return { kind: 'refuse', status: 503, error: selfCall() };
  const services = Object.keys(own.services).flatMap((key) => snapshot.services.get(key) ?? []);
  const source = findSource(snapshot, own, remote.ip, undefined);
  return {
    kind: 'forward',
    target: destination,
    proxyDestination: undefined,
    source,
    service: destinationService(own, services, destination.port, undefined),
    facts: {
      destinationUid: own.uid,
      destination: own,
      ...(source === undefined ? {} : { sourceWorkload: source.name }),
      sourceIp: remote.ip,
      destinationIp: destination.ip,
      destinationPort: destination.port,
    },
  };
}

/** Checks the policies of the destination against a connection, with the newest record of the destination. */
export function authorize(snapshot: Snapshot, facts: PolicyFacts, missing: MissingPolicy): L4Decision {
  const destination = snapshot.workloads.get(facts.destinationUid) ?? facts.destination;
  return authorizeL4(snapshot, { ...facts, destination }, { missingPolicy: missing === 'deny' ? 'deny' : 'skip' });
}

/** The error of a denied connection; names the policy where there is one. */
export function denied(decision: Extract<L4Decision, { allow: false }>): NodeProxyError {
  return new NodeProxyError(
    'ERR_NODE_PROXY_DENIED',
    `connection closed due to policy rejection: ${decision.message}`,
    decision.policy === undefined ? {} : { hint: `see policy ${decision.policy}` },
  );
}

/** Fields of the one log line about a decision: policy and rule (from 0), source and destination. */
export function decisionFields(decision: L4Decision, facts: PolicyFacts): Record<string, unknown> {
  const hit = decision.allow ? decision.by : decision;
  return {
    policy: hit?.policy,
    rule: hit?.rule,
    'src.addr': unquoted(facts.sourceIp),
    'src.workload': facts.sourceWorkload,
    'src.identity': facts.sourceIdentity,
    'dst.addr': unquoted(formatIpPort(facts.destinationIp, facts.destinationPort)),
    'dst.workload': facts.destination.name,
    'dst.namespace': facts.destination.namespace,
    'dst.identity': identityOf(facts.destination),
  };
}
