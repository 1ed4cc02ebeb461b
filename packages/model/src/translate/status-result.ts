// Statuses that are not plain condition lists: Gateways, ListenerSets and routes. Produced by translate/*, written by the control plane.
import type { ConditionResult } from '../conditions.ts';

/** Outcome for one parent of a route. */
export interface RouteParentResult {
  readonly parentRef: {
    readonly group?: string;
    readonly kind?: string;
    readonly namespace?: string;
    readonly name: string;
    readonly sectionName?: string;
    readonly port?: number;
  };
  readonly conditions: readonly ConditionResult[];
}

/** Kinds of routes that get a status. */
export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TCPRoute' | 'TLSRoute';

/** Status of a Gateway, a ListenerSet or a route. */
export type StatusResult =
  | {
      readonly kind: 'Gateway';
      /** `<namespace>/<name>`. */
      readonly key: string;
      readonly addresses: readonly { readonly type: string; readonly value: string }[];
      readonly conditions: readonly ConditionResult[];
      readonly listeners: readonly {
        readonly name: string;
        readonly attachedRoutes: number;
        readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
        readonly conditions: readonly ConditionResult[];
      }[];
    }
  | {
      readonly kind: 'ListenerSet';
      readonly key: string;
      readonly conditions: readonly ConditionResult[];
      /** None: a set of which no listener is served has none in its status. */
      readonly listeners: readonly never[];
    }
  | { readonly kind: RouteKind; readonly key: string; readonly parents: readonly RouteParentResult[] };
