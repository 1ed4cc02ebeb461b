// A real HBONE server and pool on loopback with certificates made at run time: the smallest working tunnel, for tests
// of this package and of the apps. In: what the server does with tunnels. Out: server, pool, key.
import {
  type Endpoint,
  connect,
  createTlsContext,
  hostDomain,
  listenIn,
  secureClient,
  type TlsContext,
} from '@ambit/net';
import { type Logger, silentLogger } from '@ambit/runtime/log';
import type { ByteEngine } from '../byte-engine.ts';
import { createHbonePool, type HbonePool } from '../pool.ts';
import { createHboneServer, type HboneServer } from '../server.ts';
import type { HboneLimited, HboneLimits, PoolKey, TunnelRequest } from '../tunnel.ts';

/** PEM of one identity, as `WorkloadCertificate` of @ambit/identity has it. */
export interface BenchCertificate {
  readonly certChainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: string;
}

/** How the bench behaves. */
export interface TunnelBenchOptions {
  readonly client: BenchCertificate;
  readonly server: BenchCertificate;
  readonly onTunnel: (request: TunnelRequest<string>) => void;
  /** What the server makes of its peer; default: `'client'`. */
  readonly verifyClient?: (der: readonly Buffer[]) => string;
  /** What the client makes of its peer; default: `'server'`. */
  readonly verifyServer?: (der: readonly Buffer[]) => string;
  readonly serverLimits?: Partial<HboneLimits>;
  readonly clientLimits?: Partial<HboneLimits>;
  /** The log of both sides; default: none. */
  readonly log?: Logger;
  /** Default: the engine of the thread. */
  readonly serverEngine?: ByteEngine;
  readonly clientEngine?: ByteEngine;
}

/** The running bench. */
export interface TunnelBench {
  readonly key: PoolKey;
  readonly pool: HbonePool<string>;
  readonly server: HboneServer<string>;
  readonly clientContext: TlsContext;
  /** Limits that the client met at the server, in order. */
  readonly limited: readonly HboneLimited[];
  /** Connections dialled so far. */
  dials(): number;
  /** A TCP connection to the server that never begins its handshake. */
  dialSilently(): Promise<Endpoint>;
  /** Client ends of the TCP connections, for tests that cut them. */
  readonly sockets: Endpoint[];
  close(): Promise<void>;
}

/** Starts it. */
export async function tunnelBench(options: TunnelBenchOptions): Promise<TunnelBench> {
  const log = options.log ?? silentLogger;
  const limited: HboneLimited[] = [];
  const server = createHboneServer<string>({
    tls: createTlsContext(options.server),
    verifyPeer: options.verifyClient ?? (() => 'client'),
    onTunnel: options.onTunnel,
    log,
    limits: options.serverLimits ?? {},
    onLimited: (limit) => limited.push(limit),
    ...(options.serverEngine === undefined ? {} : { engine: options.serverEngine }),
  });
  const listener = await listenIn(
    hostDomain,
    { port: 0, address: '127.0.0.1' },
    { onConnection: (endpoint) => server.accept(endpoint) },
  );
  const clientContext = createTlsContext(options.client);
  const sockets: Endpoint[] = [];
  let dials = 0;
  const pool = createHbonePool<string>({
    log,
    limits: options.clientLimits ?? {},
    ...(options.clientEngine === undefined ? {} : { engine: options.clientEngine }),
    dial: async () => {
      dials += 1;
      const socket = await connect(hostDomain, { host: '127.0.0.1', port: listener.address.port });
      sockets.push(socket);
      return secureClient(socket, clientContext, {
        verifyPeer: options.verifyServer ?? (() => 'server'),
        ...(options.clientEngine === undefined ? {} : { engine: options.clientEngine.secure }),
      });
    },
  });
  return {
    key: { source: 'client', destination: `127.0.0.1:${listener.address.port}`, expected: ['server'] },
    pool,
    server,
    clientContext,
    limited,
    dials: () => dials,
    dialSilently: async () => connect(hostDomain, { host: '127.0.0.1', port: listener.address.port }),
    sockets,
    async close() {
      listener.close();
      pool.destroy(new Error('bench over'));
      server.destroy(new Error('bench over'));
      await Promise.all([pool.closed, server.closed]);
    },
  };
}
