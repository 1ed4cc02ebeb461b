// In: tables of resources. Out: a real server on a loopback port, plaintext unless credentials or a key pair are given.
import { Server, type ServerCredentials, ServerCredentials as Credentials } from '@grpc/grpc-js';
import { type Logger, silentLogger } from '@ambit/runtime/log';
import type { ResourceSource } from '../server/resource-source.ts';
import type { TestKeyPair } from './self-signed.ts';
import { XDS_SERVER_OPTIONS, type XdsServer, type XdsServerOptions, createXdsServer } from '../server/server.ts';

/** A running server. */
export interface TestXdsServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly port: number;
  readonly xds: XdsServer;
  /** Ends every stream and the listener at once. */
  stop(): Promise<void>;
}

/** Starts a server over the sources. Debounce is 1 ms unless given. */
export async function startTestXdsServer(
  sources: readonly ResourceSource[],
  options: Partial<XdsServerOptions> & {
    port?: number;
    credentials?: ServerCredentials;
    /** Instead of credentials. */
    keyPair?: TestKeyPair;
    /** Adds further services to the same server. */
    addServices?: (server: Server) => void;
    log?: Logger;
  } = {},
): Promise<TestXdsServer> {
  const { port = 0, keyPair, addServices, ...rest } = options;
  const credentials = options.credentials ?? credentialsOf(keyPair);
  const xds = createXdsServer({ authenticate: () => undefined, log: silentLogger, debounceMs: 1, ...rest, sources });
  const server = new Server(XDS_SERVER_OPTIONS);
  xds.mount(server, { isTls: credentials !== undefined });
  addServices?.(server);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials ?? Credentials.createInsecure(), (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    );
  });
  const stop = async (): Promise<void> => {
    xds.destroy();
    server.forceShutdown();
    // forceShutdown returns before the sockets are closed; the shutdown call reports when they are.
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  };
  return { address: `127.0.0.1:${bound}`, port: bound, xds, stop, [Symbol.asyncDispose]: stop };
}

function credentialsOf(pair: TestKeyPair | undefined): ServerCredentials | undefined {
  if (pair === undefined) return undefined;
  return Credentials.createSsl(null, [
    { cert_chain: Buffer.from(pair.certPem), private_key: Buffer.from(pair.keyPem) },
  ]);
}
