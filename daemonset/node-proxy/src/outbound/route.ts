/**
 * Source workload, original destination and snapshot in; an `OutboundRequest` or a reject out. Path 1, step 2, pure.
 *
 * Called by `listener.ts` and `socks5.ts`. The choice itself is `resolveOutbound` of `@ambit/state`
 * (spec/node-proxy.md 5.5); here are the loop guard and what telemetry says about the decision.
 */
import {
  formatIpPort,
  type IpPort,
  isSelfCall,
  type OutboundDecision,
  resolveOutbound,
  type Snapshot,
  type Target,
  type Workload,
} from '@ambit/state';
import type { ConnectionFacts } from '../telemetry/connection-record.ts';
import { partyOf, serviceParty } from '../telemetry/party.ts';
import { NodeProxyError, selfCall } from '../telemetry/response-flags.ts';

/** How one connection leaves. */
export type OutboundRequest =
  | { readonly kind: 'tcp'; readonly target: Target; readonly facts: RouteFacts }
  | {
      readonly kind: 'hbone';
      readonly target: Target;
      readonly authority: string | undefined;
      readonly authorityPort: number;
      readonly expected: readonly string[];
      readonly facts: RouteFacts;
    }
  | {
      readonly kind: 'double-hbone';
      readonly target: Target;
      readonly authority: string;
      readonly outerExpected: readonly string[];
      readonly innerExpected: readonly string[];
      readonly facts: RouteFacts;
    }
  | { readonly kind: 'reject'; readonly error: NodeProxyError };

/** What the record needs beside the addresses. */
export type RouteFacts = Pick<ConnectionFacts, 'source' | 'destination' | 'service' | 'mutualTls'>;

/** Inputs of a route decision. */
export interface RouteInput {
  readonly snapshot: Snapshot;
  readonly source: Workload;
  /** The source's address on this connection. */
  readonly sourceIp: string;
  readonly destination: IpPort;
  readonly illegalPorts: ReadonlySet<number>;
  readonly random: () => number;
}

/** Decides where a captured connection goes. */
export function routeOutbound(input: RouteInput): OutboundRequest {
  const { destination, illegalPorts, source } = input;
  if (isSelfCall(destination, illegalPorts)) return { kind: 'reject', error: selfCall() };
  const decision = resolveOutbound(input.snapshot, { source, sourceIp: input.sourceIp, destination }, input.random);
  return requestOf(decision, source);
}

/** Address text of a target for logs; a host name target shows the name. */
export function targetText(target: Target): string {
  return target.kind === 'ip' ? formatIpPort(target.ip, target.port) : `${target.hostname}:${target.port}`;
}

function requestOf(decision: OutboundDecision, source: Workload): OutboundRequest {
  switch (decision.kind) {
    case 'reject':
      return { kind: 'reject', error: new NodeProxyError('ERR_NODE_PROXY_NO_ROUTE', decision.message) };
    case 'passthrough':
      return { kind: 'tcp', target: decision.target, facts: { source: partyOf(source), mutualTls: false } };
    case 'tcp':
      return { kind: 'tcp', target: decision.target, facts: factsOf(source, decision, decision.workload, false) };
    case 'hbone':
      return {
        kind: 'hbone',
        target: decision.target,
        authority: decision.authority,
        authorityPort: decision.authorityPort,
        expected: decision.expected,
        facts: factsOf(source, decision, decision.workload, true),
      };
    case 'double-hbone':
      return {
        kind: 'double-hbone',
        target: decision.target,
        authority: decision.authority,
        outerExpected: decision.outerExpected,
        innerExpected: decision.innerExpected,
        facts: factsOf(source, decision, decision.gateway, true),
      };
    default:
      return decision satisfies never;
  }
}

function factsOf(
  source: Workload,
  decision: Extract<OutboundDecision, { workload: Workload }>,
  destination: Workload,
  mutualTls: boolean,
): RouteFacts {
  const service = serviceParty(decision.service);
  return {
    source: partyOf(source),
    destination: partyOf(destination),
    mutualTls,
    ...(service === undefined ? {} : { service }),
  };
}
