// gRPC servers on their ports. In: what is mounted. Out: bound servers with a graceful and an abrupt end. Called by app.ts.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { WorkloadCertificate } from '@ambit/identity';
import { XDS_SERVER_OPTIONS } from '@ambit/xds/server';
import { ControlPlaneError } from './errors.ts';

/** A bound gRPC server. */
export interface GrpcListener {
  readonly server: Server;
  readonly port: number;
  /** Lets calls under way finish; streams must be ended by their owner. */
  close(): Promise<void>;
  destroy(): void;
}

/** Binds a server; without a certificate it is plaintext. Throws ERR_CONTROL_PLANE_LISTEN. */
export async function listenGrpc(
  host: string,
  port: number,
  certificate: WorkloadCertificate | undefined,
  mount: (server: Server) => void,
): Promise<GrpcListener> {
  const server = new Server(XDS_SERVER_OPTIONS);
  mount(server);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentialsOf(certificate), (error, actual) => {
      if (error === null) resolve(actual);
      else
        reject(new ControlPlaneError('ERR_CONTROL_PLANE_LISTEN', `cannot listen on ${host}:${port}`, { cause: error }));
    });
  });
  return {
    server,
    port: bound,
    close: async () => {
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
    destroy: () => server.forceShutdown(),
  };
}

function credentialsOf(certificate: WorkloadCertificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  const pair = {
    cert_chain: Buffer.from(certificate.certChainPem),
    private_key: Buffer.from(certificate.privateKeyPem),
  };
  return ServerCredentials.createSsl(null, [pair], false);
}
