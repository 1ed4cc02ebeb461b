// Asks a control plane for a certificate over gRPC, as node proxies do. In: a request. Out: the chain, or the gRPC code. Used by tests.
import { X509Certificate } from 'node:crypto';
import { credentials, makeClientConstructor, Metadata, type ServiceError, type status } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateService,
} from '@ambit/proto/ca';
import { grpcService } from '@ambit/proto/grpc';
import type { ControlPlane } from '../src/index.ts';

/** One request to the CA. */
export interface Ask {
  readonly csr: string;
  readonly identity?: string;
  readonly token?: string;
  readonly clusterId?: string;
  readonly seconds?: bigint;
  /** `CertSigner` of the metadata. */
  readonly signer?: string;
  readonly certificate?: { readonly key: string; readonly chain: string };
}

/** Asks once; gives the chain, or the gRPC code of the refusal. */
export async function askCertificate(
  app: ControlPlane,
  { csr, identity, token, clusterId = 'Kubernetes', seconds = 0n, signer, certificate }: Ask,
): Promise<readonly string[] | status> {
  const Client = makeClientConstructor(grpcService(IstioCertificateService), 'IstioCertificateService');
  const pair = certificate && [Buffer.from(certificate.key), Buffer.from(certificate.chain)];
  const tls = credentials.createSsl(Buffer.from(app.rootPem), pair?.[0] ?? null, pair?.[1] ?? null);
  const client = new Client(`127.0.0.1:${app.ports.tls}`, tls, {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
    'grpc.use_local_subchannel_pool': 1,
  });
  const headers = new Metadata();
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  headers.set('clusterid', clusterId);
  const request = create(IstioCertificateRequestSchema, {
    csr,
    validityDuration: seconds,
    metadata: {
      ...(identity !== undefined && { ImpersonatedIdentity: identity }),
      ...(signer !== undefined && { CertSigner: signer }),
    },
  });
  type Call = (
    request: IstioCertificateRequest,
    metadata: Metadata,
    done: (error: ServiceError | null, response?: IstioCertificateResponse) => void,
  ) => unknown;
  const call = client['createCertificate'] as Call;
  const answer = Promise.withResolvers<readonly string[] | status>();
  call.call(client, request, headers, (error, response) => answer.resolve(error?.code ?? response?.certChain ?? []));
  const result = await answer.promise;
  client.close();
  return result;
}

/** Names in the leaf of an answer, or its gRPC code. */
export const namesOfAnswer = (chain: readonly string[] | status): readonly string[] =>
  typeof chain === 'number'
    ? [`code ${chain}`]
    : (new X509Certificate(chain[0] ?? '').subjectAltName ?? '').split(', ').map((name) => name.replace('URI:', ''));
