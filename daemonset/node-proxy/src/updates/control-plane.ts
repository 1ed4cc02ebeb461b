/**
 * The configured control plane in; the client that keeps the store up to date out. Path 3, step 1. Main thread.
 *
 * Made by `app.ts`; what a batch changes is published to the data threads (spec/node-proxy.md 4). On demand, addresses
 * are subscribed by name, policies always all.
 */
import type { RootLogger } from '@ambit/runtime/log';
import type { StateDiff, StateStore } from '@ambit/state';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { createXdsClient, type XdsClient } from '@ambit/xds';
import type { NodeProxyConfig } from '../config.ts';
import { tlsRules } from '../data-config.ts';
import { xdsCredentials } from '../identity/control-plane-credentials.ts';
import type { NodeProxyMetrics } from '../telemetry/metrics.ts';
import { createHandlers } from './handlers.ts';
import type { CachedState } from './state-cache.ts';

/** Starts the client; undefined when no control plane is configured. The owner destroys it. */
export function startXds(
  config: NodeProxyConfig,
  log: RootLogger,
  parts: {
    readonly store: StateStore;
    readonly publish: (diff: StateDiff) => void;
    readonly metrics: NodeProxyMetrics;
    /** Name to version, by type URL, of what the store already holds from an earlier life. */
    readonly held: CachedState['versions'] | undefined;
  },
): XdsClient | undefined {
  const { xds, env } = config;
  if (xds === undefined) return undefined;
  const { store, publish, metrics } = parts;
  const xdsLog = log.child('xds');
  const handlers = createHandlers({
    store,
    publish,
    onResponse: (typeUrl, bytes) => metrics.onXdsResponse(typeUrl, bytes),
    log: xdsLog,
  });
  return createXdsClient({
    address: `${xds.host}:${xds.port}`,
    credentials: xdsCredentials(xds, { token: env.AUTH_TOKEN, clusterId: config.clusterId, tls: tlsRules(config) }),
    node: { id: config.nodeId, metadata: config.nodeMetadata as Record<string, string> },
    subscriptions: [
      { handler: handlers.address, mode: env.XDS_ON_DEMAND ? 'on-demand' : 'wildcard' } as const,
      { handler: handlers.authorization, mode: 'wildcard' } as const,
    ].map((subscription) => {
      const heldVersions = parts.held?.get(subscription.handler.typeUrl);
      return heldVersions === undefined ? subscription : { ...subscription, heldVersions };
    }),
    log: xdsLog,
    onTermination: (reason) => metrics.onXdsTermination(reason),
  });
}

/** Asks for resources by name; what does not come in time is left to the connection that needs it. */
export async function demandAll(xds: XdsClient | undefined, names: readonly string[]): Promise<void> {
  await Promise.allSettled(names.map(async (name) => xds?.demand(ADDRESS_TYPE_URL, name)));
}
