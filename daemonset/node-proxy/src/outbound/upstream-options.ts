/**
 * The configuration in; options of sockets and tunnels towards upstreams out. Pure; used by both directions and DNS.
 */
import type { HboneLimits } from '@ambit/hbone';
import type { ConnectOptions } from '@ambit/net';
import type { CancelSignal } from '@ambit/runtime/cancellation';
import type { DataConfig } from '../threads/messages.ts';
import type { PodContext } from '../threads/pod-context.ts';

/** Upstream connect limit (spec/node-proxy.md 3.1). */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Options every socket towards an upstream gets: mark, keepalive, timeout. */
export function socketOptions(config: DataConfig): Pick<ConnectOptions, 'timeoutMs' | 'mark' | 'keepalive'> {
  const { packetMark, keepalive } = config;
  return {
    timeoutMs: CONNECT_TIMEOUT_MS,
    ...(packetMark === undefined ? {} : { mark: packetMark }),
    ...(keepalive === undefined ? {} : { keepalive }),
  };
}

/** The same with where to and until when. */
export function upstreamOptions(
  context: PodContext,
  to: { readonly ip: string; readonly port: number },
  signal: CancelSignal,
): ConnectOptions {
  return { ...socketOptions(context.config), host: to.ip, port: to.port, signal };
}

/** HTTP/2 limits as configured. */
export function hboneLimits(config: DataConfig): Partial<HboneLimits> {
  return {
    streamWindowBytes: config.streamWindowBytes,
    connectionWindowBytes: config.connectionWindowBytes,
    maxFrameBytes: config.frameBytes,
    maxStreamsPerConnection: config.poolMaxStreams,
    unusedReleaseMs: config.poolIdleMs,
  };
}
