// Listeners on the host's 127.0.0.1 that lead to services of the cluster, for browsers and scripts.
// A Service asks for one with the annotation `ambit.io/host-port: "8080"` (its first port) or `"8080:http"` (port by name
// or number). Comes in: Services. Goes out: host listeners; connections leave from node 1. Main thread.
import { connect, hostDomain, listenIn, relay } from '@ambit/net';
import type { Endpoint, Listener, SocketDomain } from '@ambit/net';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import type { Controller } from '../controllers/context.ts';
import type { Service } from '../controllers/objects.ts';
import type { ServiceRoute } from './service-table.ts';

/** The annotation of a Service that wants a host listener. */
export const HOST_PORT_ANNOTATION = 'ambit.io/host-port';

/** One wanted listener. */
export interface HostForward {
  readonly hostPort: number;
  readonly namespace: string;
  readonly service: string;
  /** Port of the service by name or number; undefined: its first. */
  readonly port: string | undefined;
}

/** How the cluster's services are reached from the cluster process. */
export interface ForwardPath {
  /** Where connections are made: node 1's namespace, or node 1's loopback address. */
  readonly domain: SocketDomain;
  /** The current routes. */
  table(): ServiceRoute[];
  /** True when the domain's own rules translate service addresses; else an endpoint is picked here. */
  readonly hasServiceRules: boolean;
}

/** Reads the annotation; undefined when there is none or it is not understood. */
export function parseHostPort(service: Service): HostForward | undefined {
  const text = service.metadata.annotations?.[HOST_PORT_ANNOTATION];
  if (text === undefined) return undefined;
  const [host, port] = text.split(':', 2);
  const hostPort = Number(host);
  if (!Number.isInteger(hostPort) || hostPort < 1 || hostPort > 65_535) return undefined;
  return { hostPort, namespace: service.metadata.namespace ?? 'default', service: service.metadata.name, port };
}

/** Opens one listener. The caller closes it. Rejects with ERR_NET_BIND when the port is taken. */
export function createHostForward(forward: HostForward, path: ForwardPath, log: Logger): Promise<Listener> {
  return listenIn(
    hostDomain,
    { address: '127.0.0.1', port: forward.hostPort },
    {
      log,
      onConnection: (endpoint) => void join(endpoint, forward, path, log), // settles itself
    },
  );
}

async function join(client: Endpoint, forward: HostForward, path: ForwardPath, log: Logger): Promise<void> {
  try {
    const target = targetOf(forward, path);
    if (target === undefined) throw new Error(`service ${forward.namespace}/${forward.service} has no endpoint`);
    const upstream = await connect(path.domain, { host: target.ip, port: target.port, timeoutMs: 5000 });
    await relay(client, upstream);
  } catch (error) {
    log.debug('host connection not forwarded', { service: forward.service, error: messageOf(error) });
    client.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function targetOf(forward: HostForward, path: ForwardPath): { ip: string; port: number } | undefined {
  const routes = path.table().filter((each) => each.service === `${forward.namespace}/${forward.service}`);
  const route =
    forward.port === undefined
      ? routes[0]
      : routes.find((each) => each.portName === forward.port || String(each.port) === forward.port);
  if (route === undefined || route.endpoints.length === 0) return undefined;
  const [address] = route.addresses;
  if (path.hasServiceRules && address !== undefined) return { ip: address, port: route.port };
  return route.endpoints[Math.floor(Math.random() * route.endpoints.length)];
}

/** Keeps one listener per annotated Service; a taken port is logged and tried again when the Service changes. */
export function startHostForwards(api: ObjectApi, path: ForwardPath, log: Logger): Controller {
  const open = new Map<string, { text: string; listener: Promise<Listener | undefined> }>();

  const update = (service: Service, isGone: boolean): void => {
    const key = `${service.metadata.namespace ?? ''}/${service.metadata.name}`;
    const wanted = isGone ? undefined : parseHostPort(service);
    const text = wanted === undefined ? '' : JSON.stringify(wanted);
    const present = open.get(key);
    if (present?.text === text || (present === undefined && wanted === undefined)) return;
    open.delete(key);
    const closed = present?.listener.then((listener) => listener?.close()) ?? Promise.resolve();
    if (wanted === undefined) return;
    const listener = closed
      .then(() => createHostForward(wanted, path, log))
      .catch((error: unknown) => {
        log.warn('host port not opened', { service: key, port: wanted.hostPort, error: messageOf(error) });
        open.delete(key);
        return undefined;
      });
    open.set(key, { text, listener });
  };

  const watch = api.watch<Service>('services', {}, ({ type, object }) => update(object, type === 'DELETED'));
  return {
    close: () => {
      watch[Symbol.dispose]();
      for (const { listener } of open.values()) void listener.then((each) => each?.close());
      open.clear();
    },
  };
}
