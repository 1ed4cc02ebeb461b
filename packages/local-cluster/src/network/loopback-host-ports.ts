// Host ports of pods on a node of the loopback mode: a listener on the node's own address that leads to the pod. With namespaces the rules of
// nftables do this. TCP only. Comes in: the pods with host ports. Goes out: listeners, one per port, while its pod is there. Main thread.
import { connect, hostDomain, listenIn, relay } from '@ambit/net';
import type { Endpoint, Listener } from '@ambit/net';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ServiceRoute } from './service-table.ts';
import type { ServiceWatcher } from './service-watcher.ts';

interface OpenPort {
  /** Empty while it closes. */
  readonly target: string;
  readonly listener: Promise<Listener | undefined>;
}

/** Follows the host ports of a node until closed. */
export function startLoopbackHostPorts(
  services: Pick<ServiceWatcher, 'hostPorts' | 'onChange'>,
  nodeName: string,
  log: Logger,
): { close(): Promise<void> } {
  const open = new Map<string, OpenPort>();
  let isClosed = false;

  const start = async (
    key: string,
    route: ServiceRoute,
    before: OpenPort | undefined,
  ): Promise<Listener | undefined> => {
    const [address = ''] = route.addresses;
    try {
      (await before?.listener)?.close();
      return await listenIn(
        hostDomain,
        { address, port: route.port },
        {
          log,
          onConnection: (endpoint) => void join(endpoint, route, log), // settles itself
        },
      );
    } catch (error) {
      log.warn('host port not opened', { address: key, pod: route.service, error: messageOf(error) });
      return undefined;
    }
  };
  const update = (): void => {
    if (isClosed) return;
    const wanted = new Map(
      services
        .hostPorts(nodeName)
        .filter(({ protocol }) => protocol === 'tcp')
        .map((route) => [`${route.addresses[0]}:${route.port}`, route]),
    );
    for (const [key, { target, listener }] of open) {
      if (wanted.has(key) || target === '') continue;
      // It stays in the table until it is closed, so that the next pod waits for the port.
      const closed: OpenPort = { target: '', listener: closing(listener) };
      open.set(key, closed);
      void closed.listener.then(() => {
        if (open.get(key) === closed) open.delete(key);
      });
    }
    for (const [key, route] of wanted) {
      const target = JSON.stringify(route.endpoints);
      const present = open.get(key);
      if (present?.target !== target) open.set(key, { target, listener: start(key, route, present) });
    }
  };
  services.onChange(update);
  return {
    close: async () => {
      isClosed = true;
      await Promise.all([...open.values()].map(async ({ listener }) => (await listener)?.close()));
      open.clear();
    },
  };
}

async function closing(listener: Promise<Listener | undefined>): Promise<undefined> {
  (await listener)?.close();
  return undefined;
}

async function join(client: Endpoint, { service, endpoints }: ServiceRoute, log: Logger): Promise<void> {
  try {
    const [target] = endpoints;
    if (target === undefined) throw new Error(`${service} has no address`);
    const upstream = await connect(hostDomain, { host: target.ip, port: target.port, timeoutMs: 5000 });
    await relay(client, upstream);
  } catch (error) {
    log.debug('connection to a host port not forwarded', { pod: service, error: messageOf(error) });
    client.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
