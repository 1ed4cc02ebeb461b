// gRPC servers on their ports. In: what is mounted. Out: bound servers with a graceful and an abrupt end. Called by app.ts.
import type { SecureContextOptions } from 'node:tls';
import { Server, ServerCredentials, type ServerInterceptor } from '@grpc/grpc-js';
import type { WorkloadCertificate } from '@ambit/identity';
import { XDS_SERVER_OPTIONS } from '@ambit/xds/server';
import { ControlPlaneError } from './errors.ts';

/** A bound gRPC server. */
export interface GrpcListener {
  readonly server: Server;
  readonly port: number;
  /** Serves new connections with another certificate; only where one was given at the start. */
  setCertificate(certificate: WorkloadCertificate): void;
  /** Lets calls under way finish; streams must be ended by their owner. */
  close(): Promise<void>;
  destroy(): void;
}

/** What a connection may cost, and what counts its calls. */
export interface ConnectionLimits {
  /** Undefined = it may stay for ever. */
  readonly maxConnectionAgeMs?: number | undefined;
  /** After its age. Default 10 000. */
  readonly graceMs?: number;
  /** Of the client. Default: that of the xDS server. */
  readonly maxMessageBytes?: number;
  /** In one connection. Default: gRPC's. */
  readonly maxStreams?: number;
  readonly countCalls?: ServerInterceptor;
}

/** Time that calls have to end after their connection has reached its age. */
const AGE_GRACE_MS = 10_000;

/** Binds a server; without a certificate it is plaintext. Throws ERR_CONTROL_PLANE_LISTEN. */
export async function listenGrpc(
  host: string,
  port: number,
  certificate: WorkloadCertificate | undefined,
  mount: (server: Server) => void,
  limits: ConnectionLimits = {},
): Promise<GrpcListener> {
  const { maxConnectionAgeMs, graceMs = AGE_GRACE_MS, maxMessageBytes, maxStreams, countCalls } = limits;
  const server = new Server({
    ...XDS_SERVER_OPTIONS,
    ...(countCalls !== undefined && { interceptors: [countCalls] }),
    ...(maxMessageBytes !== undefined && { 'grpc.max_receive_message_length': maxMessageBytes }),
    ...(maxStreams !== undefined && { 'grpc.max_concurrent_streams': maxStreams }),
    ...(maxConnectionAgeMs !== undefined && {
      'grpc.max_connection_age_ms': maxConnectionAgeMs,
      'grpc.max_connection_age_grace_ms': graceMs,
    }),
  });
  const credentials = certificate === undefined ? undefined : new ReloadableCredentials(certificate);
  mount(server);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials ?? ServerCredentials.createInsecure(), (error, actual) => {
      if (error === null) resolve(actual);
      else
        reject(new ControlPlaneError('ERR_CONTROL_PLANE_LISTEN', `cannot listen on ${host}:${port}`, { cause: error }));
    });
  });
  return {
    server,
    port: bound,
    setCertificate: (next) => credentials?.use(next),
    close: async () => {
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
    destroy: () => server.forceShutdown(),
  };
}

/**
 * TLS with a certificate that can be exchanged. A client certificate is asked for and not demanded, and not judged here: who
 * authenticates the call checks it against the roots of the moment (clients/authenticate.ts).
 */
class ReloadableCredentials extends ServerCredentials {
  constructor(certificate: WorkloadCertificate) {
    super({ requestCert: true, rejectUnauthorized: false }, pairOf(certificate));
  }

  use(certificate: WorkloadCertificate): void {
    this.updateSecureContextOptions(pairOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

const pairOf = ({ certChainPem, privateKeyPem, rootsPem }: WorkloadCertificate): SecureContextOptions => ({
  cert: certChainPem,
  key: privateKeyPem,
  // gRPC shows a client certificate only when it leads to one of these.
  ca: rootsPem,
  minVersion: 'TLSv1.2',
});
