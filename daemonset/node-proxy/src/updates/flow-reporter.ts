/**
 * The configured telemetry address in; the stream that carries flows to who watches out. Main thread.
 *
 * Made by `app.ts`; the data threads are told how many flows a second are wanted (decision W12).
 */
import type { RootLogger } from '@ambit/runtime/log';
import { createFlowReporter, type FlowReporter } from '@ambit/xds/telemetry';
import type { NodeProxyConfig } from '../config.ts';
import { tlsRules } from '../data-config.ts';
import { xdsCredentials } from '../identity/control-plane-credentials.ts';

/** Starts the reporter; undefined when no address, or no control plane, is configured. The owner destroys it. */
export function startFlowReporter(
  config: NodeProxyConfig,
  log: RootLogger,
  onLimit: (maxPerSecond: number) => void,
): FlowReporter | undefined {
  const { xds, env } = config;
  if (xds === undefined || env.AMBIT_TELEMETRY_ADDRESS === undefined) return undefined;
  return createFlowReporter({
    address: env.AMBIT_TELEMETRY_ADDRESS,
    credentials: xdsCredentials(xds, { token: env.AUTH_TOKEN, clusterId: config.clusterId, tls: tlsRules(config) }),
    name: `${env.POD_NAME ?? ''}.${env.POD_NAMESPACE ?? ''}`,
    onLimit,
    log: log.child('telemetry'),
  });
}
