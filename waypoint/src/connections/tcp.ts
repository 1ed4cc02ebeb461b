/**
 * Raw connections of a tunnel: policy, destination, relay (spec/waypoint.md 3.1 TCP order, 4.1.5).
 * In: an accepted tunnel whose bytes are not HTTP. Out: relayed bytes and TCP series. Data thread.
 */
import { isIP } from 'node:net';
import { chooseByWeight, compileCidrs, hashOfConnection, L7Error, timerMs } from '@ambit/l7';
import { type Backend, type Cidr, type L4Route, LoadBalancer_Algo, type Target } from '@ambit/proto/waypoint';
import { type Endpoint, fromDuplex, Region, relay } from '@ambit/net';
import { findWorkload, type Snapshot } from '@ambit/state';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { UpstreamError, WaypointError } from '../errors.ts';
import { connectionViewOf } from '../filters/hygiene.ts';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { TcpCounters } from '../telemetry/metrics.ts';
import type { CompiledConfig } from '../updates/compiled-config.ts';
import { connectTimeoutOf } from '../upstream/connect-timeout.ts';
import type { Breakers } from '../upstream/breakers.ts';
import type { Picker, PickInput, UpstreamEndpoint } from '../upstream/pick.ts';
import { tunnelSocket } from '../http/tunnel-socket.ts';
import type { TlsPlanner } from '../upstream/tls-origination.ts';
import type { Transport } from '../upstream/transport.ts';
import type { ConnectionRegistry } from './registry.ts';

/** How long both directions may be quiet (spec/waypoint.md 5.8). */
const idleTimeoutMs = 3_600_000;
/** Pace of byte counts of open connections. */
const reportMs = 5000;

/** What raw connections need from their data thread. */
export interface TcpOptions {
  readonly config: () => CompiledConfig;
  readonly snapshot: () => Snapshot;
  readonly picker: Picker;
  readonly transport: Transport;
  readonly tls: TlsPlanner;
  readonly breakers: Breakers;
  readonly ownIp: string;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** How long both directions may be quiet, where the backend does not say. */
  readonly idleMs: number | undefined;
  readonly registry: ConnectionRegistry;
  /** Starts the series of a connection whose destination is decided. */
  readonly opened: (
    tunnel: Tunnel,
    backend: Backend | undefined,
    endpoint: UpstreamEndpoint | undefined,
  ) => TcpCounters;
  readonly log: Logger;
}

/** Serves one raw connection to its end; owns the endpoint. Never rejects. */
export const serveTcp = async (client: Endpoint, head: Buffer, tunnel: Tunnel, options: TcpOptions): Promise<void> => {
  const config = options.config();
  const current = config.frontendPort(tunnel.frontend.key, tunnel.frontend.port);
  const frontend = typeof current === 'string' ? tunnel.frontend : current;
  const verdict = frontend.tcpAuthorizer().authorize(connectionViewOf(tunnel, frontend.port));
  if (!verdict.allow) {
    options.opened(tunnel, undefined, undefined).closed('-');
    options.log.info('connection denied', {
      policy: verdict.policy,
      source: tunnel.peer.principal,
      destination: tunnel.authority,
    });
    client.destroy(new WaypointError('ERR_WAYPOINT_DENIED', `rbac_access_denied_matched_policy[${verdict.policy}]`));
    return;
  }
  const key = chooseBackend(frontend.l4Routes, frontend.backend, tunnel, frontend.port, options.random);
  const backend = key === '' ? undefined : config.backend(key);
  if (key !== '' && backend === undefined) return refuse(client, tunnel, options, 'NC', 'backend is not known');
  const host = tunnel.serverName ?? nameOf(tunnel.authority);
  await options.picker.prepare(backend, options.snapshot(), host);
  const endpoint = options.picker.pick({
    backend,
    frontend,
    destinationIp: tunnel.destinationIp,
    snapshot: options.snapshot(),
    network: config.settings.network,
    self: findWorkload(options.snapshot(), config.settings.network, options.ownIp),
    host,
    avoid: new Set(),
    hashed: hashedBy(backend, tunnel.sourceIp),
    random: options.random,
  });
  if (endpoint === undefined) return refuse(client, tunnel, options, 'UH', 'no healthy upstream');
  using place = options.breakers.enter(backend, 'connection');
  if (place === undefined) return refuse(client, tunnel, options, 'UO', 'too many connections');
  await relayTo(client, head, endpoint, backend, tunnel, connectTimeoutOf(backend, config.settings), options);
};

/** The name in the authority of a tunnel that was opened to a name. */
const nameOf = (authority: string): string | undefined => {
  const host = authority.slice(0, authority.lastIndexOf(':'));
  return isIP(host.replace('[', '').replace(']', '')) === 0 ? host : undefined;
};

const hashedBy = (backend: Backend | undefined, sourceIp: string): PickInput['hashed'] => {
  const lb = backend?.lb;
  if (lb?.algo !== LoadBalancer_Algo.HASH || lb.hash === undefined) return undefined;
  const hash = hashOfConnection(lb.hash, sourceIp);
  return hash === undefined ? undefined : { hash, shape: lb.hash };
};

const refuse = (client: Endpoint, tunnel: Tunnel, options: TcpOptions, flag: string, reason: string): void => {
  options.opened(tunnel, undefined, undefined).closed(flag);
  options.log.info('connection refused', { flag, reason, destination: tunnel.authority });
  client.destroy(new WaypointError('ERR_WAYPOINT_UPSTREAM', reason));
};

const relayTo = async (
  client: Endpoint,
  head: Buffer,
  endpoint: UpstreamEndpoint,
  backend: Backend | undefined,
  tunnel: Tunnel,
  timeoutMs: number,
  options: TcpOptions,
): Promise<void> => {
  using _active = options.picker.begin(endpoint);
  const counters = options.opened(tunnel, backend, endpoint);
  const host = backend?.hostname ?? '';
  const forwarded = `for="${tunnel.clientAddress}"${host === '' ? '' : `;host=${host}`}`;
  let upstream: Endpoint;
  try {
    upstream = await options.transport.open(endpoint, { timeoutMs, headers: { forwarded } });
    const plan = options.tls(backend, undefined, (name) => options.config().snapshot.secret.get(name));
    if (plan !== undefined) {
      upstream = fromDuplex(await plan.wrap(tunnelSocket(upstream), { alpn: undefined, timeoutMs }));
    }
  } catch (error) {
    const reason =
      error instanceof UpstreamError && error.failure.kind === 'connect' ? error.failure.reason : messageOf(error);
    options.log.info('connection failed', {
      destination: tunnel.authority,
      upstream: `${endpoint.ip}:${endpoint.port}`,
      reason,
    });
    options.picker.report(backend, endpoint, { kind: 'local' });
    counters.closed('UF');
    client.destroy(error as Error);
    return;
  }
  options.picker.report(backend, endpoint, { kind: 'response', status: 200 });
  if (head.length > 0) upstream.write([Region.of(head)]);
  const seen = { in: -head.length, out: 0 };
  const report = (received: number, sent: number): void => {
    counters.add(received - seen.in, sent - seen.out);
    seen.in = received;
    seen.out = sent;
  };
  let latest = { received: 0, sent: 0 };
  const timer = setInterval(() => report(latest.received, latest.sent), reportMs).unref();
  const denied = new AbortController();
  let policy: string | undefined;
  using _open = options.registry.add(tunnel, (by) => {
    policy = by;
    denied.abort(new WaypointError('ERR_WAYPOINT_DENIED', `connection is no longer allowed by ${by}`));
  });
  const idleMs = timerMs(backend?.pool?.tcpIdle) ?? options.idleMs ?? idleTimeoutMs;
  const result = await relay(client, upstream, {
    ...(Number.isFinite(idleMs) && { idleTimeoutMs: idleMs }),
    signal: AbortSignal.any([options.signal, denied.signal]),
    onProgress: (received, sent) => {
      latest = { received, sent };
    },
  });
  clearInterval(timer);
  report(result.aToB, result.bToA);
  counters.closed('-');
  if (policy !== undefined) {
    options.log.info('connection ended by policy', {
      policy,
      source: tunnel.peer.principal,
      destination: tunnel.authority,
    });
  }
};

/** `*.example.com` stands for every name below it. */
const isNamed = (pattern: string, name: string | undefined): boolean => {
  if (name === undefined) return false;
  const lower = pattern.toLowerCase();
  return lower.startsWith('*') ? name.endsWith(lower.slice(1)) && name.length >= lower.length : name === lower;
};

/** True without blocks; blocks that cannot be read contain nothing. */
const isIn = (blocks: readonly Cidr[], ip: string | undefined): boolean => {
  if (blocks.length === 0) return true;
  let test = compiledBlocks.get(blocks);
  if (test === undefined) compiledBlocks.set(blocks, (test = compileBlocks(blocks)));
  return test(ip);
};

const compiledBlocks = new WeakMap<readonly Cidr[], (ip: string | undefined) => boolean>();

const compileBlocks = (blocks: readonly Cidr[]): ((ip: string | undefined) => boolean) => {
  try {
    return compileCidrs(blocks) ?? (() => true);
  } catch (error) {
    if (L7Error.is(error)) return () => false;
    throw error;
  }
};

/** First L4 route that fits, else the default destination. */
const chooseBackend = (
  routes: readonly L4Route[],
  fallback: string,
  tunnel: Tunnel,
  port: number,
  random: () => number,
): string => {
  const route = routes.find((candidate) => fits(candidate, tunnel, port));
  if (route === undefined) return fallback;
  const total = route.targets.reduce((sum, { weight }) => sum + weight, 0);
  const target: Target | undefined =
    route.targets.length < 2 ? route.targets[0] : chooseByWeight(route.targets, total, random());
  return target === undefined || target.invalid ? 'invalid' : target.backend;
};

const fits = (route: L4Route, tunnel: Tunnel, port: number): boolean =>
  (route.ports.length === 0 || route.ports.includes(port)) &&
  (route.sni.length === 0 || route.sni.some((pattern) => isNamed(pattern, tunnel.serverName))) &&
  isIn(route.dst, tunnel.destinationIp) &&
  isIn(route.src, tunnel.sourceIp) &&
  Object.keys(route.sourceLabels).length === 0 &&
  (route.sourceNamespaces.length === 0 || route.sourceNamespaces.includes(tunnel.peer.namespace ?? ''));
