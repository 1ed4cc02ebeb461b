// The server side of CreateCertificate (spec/control-plane.md 5), without a listener. In: requests of node proxies, waypoints and
// others. Out: certificate chains. The control plane mounts it on its gRPC server; main thread.

import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation, handleUnaryCall } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import { create } from '@bufbuild/protobuf';

import { IstioCertificateResponseSchema, IstioCertificateService } from '@ambit/proto/ca';
import type { IstioCertificateRequest, IstioCertificateResponse } from '@ambit/proto/ca';
import { grpcService } from '@ambit/proto/grpc';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';

import { IdentityError } from './errors.ts';
import { parseSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';

/** Whoever signs: our own authority, or another system behind the same call. */
export interface CertificateSigner {
  /**
   * Signs the key of a CSR for the given names, which the caller may use. `signerName` is what the request wants of several
   * signers (metadata `CertSigner`). Throws IdentityError: the codes of bad requests become INVALID_ARGUMENT, others INTERNAL.
   */
  issue(
    csrPem: string,
    names: readonly string[],
    ttlMs: number,
    signerName?: string,
  ): IssuedChain | Promise<IssuedChain>;
}

/** Leaf, each intermediate as its own text, the whole root bundle last (spec/control-plane.md 5.2). */
export interface IssuedChain {
  readonly chainPem: readonly [string, ...string[]];
}

/** What a request carries for authentication. */
export interface CaCall {
  readonly metadata: Metadata;
  /** Client certificate in DER, when one was presented; nobody has verified it. */
  readonly peerCertificate?: Buffer;
  /** Peer address as grpc-js tells it. */
  readonly peer: string;
}

/** An authenticated caller, at least its own identities. The control plane's type may hold more (pod, node). */
export interface CaCaller {
  readonly identities: readonly string[];
}

/** What came of a request. `bad-identity`: none can be read of the request or its caller; `impersonation`: the caller may not act for it. */
export type CaResult = 'issued' | 'unauthenticated' | 'bad-identity' | 'impersonation' | 'bad-csr' | 'internal';

/** Settings of the service; the control plane answers who calls and who may act for whom. */
export interface CaServiceOptions<Caller extends CaCaller> {
  /** Who signs now; `undefined` = not ready. */
  readonly authority: () => CertificateSigner | undefined;
  /** Who calls, or `undefined` to refuse. */
  authenticate(call: CaCall): Promise<Caller | undefined>;
  /** Why the caller may not act for the identity; `undefined` = it may (spec/control-plane.md 5.4). */
  impersonationRefusal(caller: Caller, requested: SpiffeId, clusterId: string | undefined): Promise<string | undefined>;
  readonly log: Logger;
  /** Told about every answer, for metrics. */
  readonly onResult?: (result: CaResult) => void;
}

/** For `server.addService(definition, implementation)`. */
export interface CaService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** A refusal with its gRPC status. */
interface Refusal {
  readonly code: status;
  readonly details: string;
}

/** Makes the service. */
export function createCaService<Caller extends CaCaller>(options: CaServiceOptions<Caller>): CaService {
  const createCertificate: handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse> = (call, callback) => {
    const answer = async (): Promise<void> => {
      const result = await answerRequest(options, call.request, {
        metadata: call.metadata,
        peer: call.getPeer(),
        ...certificateOf(call.getAuthContext().sslPeerCertificate),
      });
      if ('code' in result) callback({ ...result, metadata: new Metadata() });
      else callback(null, create(IstioCertificateResponseSchema, { certChain: [...result.chainPem] }));
    };
    background(options.log, 'create certificate', answer());
  };
  return { definition: grpcService(IstioCertificateService), implementation: { createCertificate } };
}

/** Decides one request; exported for callers with another transport. Never rejects. */
export async function answerRequest<Caller extends CaCaller>(
  options: CaServiceOptions<Caller>,
  request: IstioCertificateRequest,
  call: CaCall,
): Promise<Refusal | { readonly chainPem: readonly string[] }> {
  const { log, onResult } = options;
  try {
    const caller = await options.authenticate(call);
    if (caller === undefined) {
      onResult?.('unauthenticated');
      return { code: status.UNAUTHENTICATED, details: 'request authenticate failure' };
    }
    const names = await namesFor(options, caller, request, call);
    if (typeof names === 'string') {
      onResult?.(names);
      return { code: status.UNAUTHENTICATED, details: 'request impersonation authentication failure' };
    }
    return await sign(options, request, names);
  } catch (error) {
    log.error('certificate request failed', { peer: call.peer, error: messageOf(error) });
    onResult?.('internal');
    return { code: status.INTERNAL, details: 'certificate request failed' };
  }
}

/** The names to certify: the impersonated identity when allowed, else the caller's own. A word: why it is refused. */
async function namesFor<Caller extends CaCaller>(
  options: CaServiceOptions<Caller>,
  caller: Caller,
  request: IstioCertificateRequest,
  call: CaCall,
): Promise<readonly string[] | 'bad-identity' | 'impersonation'> {
  const wanted = request.metadata?.['ImpersonatedIdentity'];
  if (wanted === undefined || wanted === '') return caller.identities.length === 0 ? 'bad-identity' : caller.identities;
  const uri = typeof wanted === 'string' ? wanted : '';
  const id = parseSpiffeId(uri);
  const [clusterId] = call.metadata.get('clusterid');
  const refusal =
    id === undefined
      ? 'the requested identity is malformed'
      : await options.impersonationRefusal(caller, id, clusterId === undefined ? undefined : String(clusterId));
  if (refusal === undefined) return [uri];
  const fields = { peer: call.peer, caller: caller.identities.join(','), requested: uri.slice(0, 256), refusal };
  options.log.warn('impersonation refused', fields);
  return id === undefined ? 'bad-identity' : 'impersonation';
}

async function sign<Caller extends CaCaller>(
  options: CaServiceOptions<Caller>,
  request: IstioCertificateRequest,
  names: readonly string[],
): Promise<Refusal | { readonly chainPem: readonly string[] }> {
  const authority = options.authority();
  if (authority === undefined) {
    options.onResult?.('internal');
    return { code: status.INTERNAL, details: 'CA is not ready' };
  }
  try {
    const wanted = request.metadata?.['CertSigner'];
    const signerName = typeof wanted === 'string' && wanted !== '' ? wanted : undefined;
    const issued = await authority.issue(request.csr, names, Number(request.validityDuration) * 1000, signerName);
    options.log.debug('certificate issued', { identity: names.join(',') });
    options.onResult?.('issued');
    return { chainPem: issued.chainPem };
  } catch (error) {
    if (!IdentityError.is(error) || !isCallerMistake(error)) throw error;
    options.onResult?.('bad-csr');
    return { code: status.INVALID_ARGUMENT, details: `CSR signing error (${error.message})` };
  }
}

function certificateOf(certificate: PeerCertificate | undefined): { peerCertificate?: Buffer } {
  // Node.js hands out an empty object when the client presented none.
  return certificate?.raw === undefined ? {} : { peerCertificate: certificate.raw };
}

function isCallerMistake(error: IdentityError): boolean {
  return ['ERR_IDENTITY_INVALID_CSR', 'ERR_IDENTITY_INVALID_PEM', 'ERR_IDENTITY_TTL_TOO_LONG'].includes(error.code);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
