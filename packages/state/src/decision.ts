// The answers of resolve.ts and rbac.ts as plain unions. Read by the node proxy, the waypoint, tests and `ambit explain`.

import type { Service } from './service.ts';
import type { Workload } from './workload.ts';

/** An IP (canonical text) and port. */
export interface IpPort {
  readonly ip: string;
  readonly port: number;
}

/**
 * Where to connect: an address, or a host name that the caller resolves (system resolver; prefer `family`, the original
 * destination's; spec/node-proxy.md 5.4).
 */
export type Target =
  | { readonly kind: 'ip'; readonly ip: string; readonly port: number }
  | {
      readonly kind: 'hostname';
      readonly hostname: string;
      readonly port: number;
      readonly family: 4 | 6;
      /** Uid of the workload that has only this name. */
      readonly workload: string;
    };

/** Codes of {@link OutboundReject}; stable. */
export type OutboundRejectCode =
  /** The service has no endpoint that can be used from here. */
  | 'ERR_STATE_NO_HEALTHY_UPSTREAM'
  /** The waypoint that the destination is bound to is not known. */
  | 'ERR_STATE_UNKNOWN_WAYPOINT'
  /** The gateway of the network that the destination is in is not known. */
  | 'ERR_STATE_UNKNOWN_GATEWAY'
  /** The destination workload has no address and no host name. */
  | 'ERR_STATE_NO_ROUTE'
  /** A destination in another network belongs to no service. */
  | 'ERR_STATE_NO_SERVICE';

/** Why an outbound connection is refused; `message` is the access-log text. */
export interface OutboundReject {
  readonly kind: 'reject';
  readonly code: OutboundRejectCode;
  readonly message: string;
}

/** What to do with an outbound connection (spec/node-proxy.md 5.5). */
export type OutboundDecision =
  | { readonly kind: 'passthrough'; readonly target: Target; readonly service: Service | undefined }
  | {
      readonly kind: 'tcp';
      readonly target: Target;
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  | {
      readonly kind: 'hbone';
      /** `direct` = the endpoint itself; the others = a waypoint in between. */
      readonly via: 'direct' | 'service-waypoint' | 'workload-waypoint';
      /** Where the tunnel ends. */
      readonly target: Target;
      /** `:authority` of the CONNECT request. `undefined` only when `target` is a host name: then `<resolved ip>:<authorityPort>`. */
      readonly authority: string | undefined;
      readonly authorityPort: number;
      /** Any one of these identity URIs must be the peer's. */
      readonly expected: readonly string[];
      /** The workload that ends the tunnel (the waypoint's when `via` is not direct). */
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  | {
      readonly kind: 'double-hbone';
      readonly target: Target;
      /** Authority of both tunnels, `<hostname>:<port>`. */
      readonly authority: string;
      readonly outerExpected: readonly string[];
      readonly innerExpected: readonly string[];
      /** The network gateway's workload. */
      readonly gateway: Workload;
      /** The endpoint behind the gateway. */
      readonly workload: Workload;
      readonly service: Service | undefined;
    }
  | OutboundReject;
