/**
 * What the steps of the pipeline share about one request. Made by filters/order.ts, dropped when the request ends; data thread.
 */
import type { CompiledRoute, CompiledRouteTable, HeaderList, LocalReply, RequestView, RouteDecision } from '@ambit/l7';
import type { Snapshot } from '@ambit/state';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';

/** One request and the configuration with which it started. */
export interface RequestContext {
  readonly exchange: Exchange;
  readonly tunnel: Tunnel;
  readonly frontend: FrontendPort;
  readonly config: CompiledConfig;
  readonly snapshot: Snapshot;
  readonly record: RequestRecord;
  /** Normalized request; its headers are what goes to the backend and may be edited by steps. */
  readonly request: RequestView & { readonly headers: HeaderList };
  /** Undefined when the frontend's table is missing. */
  readonly table: CompiledRouteTable | undefined;
  /** Route chosen before the first step; undefined when the table is missing. */
  readonly decision: RouteDecision | undefined;
  readonly route: CompiledRoute | undefined;
  /** Edits of the response head, in the order in which they are applied. */
  readonly onResponse: ((headers: HeaderList) => void)[];
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/** One step: go on (undefined), or answer. A promise holds the request. */
export type Filter = (context: RequestContext) => LocalReply | undefined | Promise<LocalReply | undefined>;
