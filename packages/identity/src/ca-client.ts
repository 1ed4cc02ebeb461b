// The client of the mesh CA: istio.v1.auth.IstioCertificateService over grpc-js (spec/node-proxy.md 7.2). In: identities. Out:
// certificates with new keys. Called by the certificate manager, main thread.

import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ChannelCredentials, ServiceError } from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { createSecureContext } from 'node:tls';

import { IstioCertificateRequestSchema, IstioCertificateService } from '@ambit/proto/ca';
import type { IstioCertificateResponse } from '@ambit/proto/ca';
import { grpcService } from '@ambit/proto/grpc';
import type { Logger } from '@ambit/runtime/log';

import type { CertificateSource } from './certificate-source.ts';
import { IdentityError } from './errors.ts';
import { readIssuedChain } from './issue-certificate.ts';
import { createKeyAndCsr } from './x509/csr.ts';

const { createCertificate } = grpcService(IstioCertificateService);
const defaultTtlMs = 24 * 3600 * 1000;
const defaultTimeoutMs = 30_000;

/** Settings of the CA client. */
export interface CaClientOptions {
  /** `host:port`, `https://host:port`, or `http://host:port` for a plaintext CA (tests and a CA on the same host only). */
  readonly address: string;
  /** PEM of the roots that the CA's certificate must lead to; read at every call, a change makes a new channel. */
  readonly rootPem: () => string;
  /** Restrictions of TLS; default TLS 1.3 with every key exchange of Node. */
  readonly tls?: { readonly allowTls12?: boolean; readonly onlyPostQuantum?: boolean };
  /** The name to expect in the CA's certificate instead of the host (`ALT_CA_HOSTNAME`). */
  readonly serverName?: string;
  /** The bearer token, read at every call; absent = none is sent. */
  readonly token?: () => string | Promise<string>;
  /** Sent as header `clusterid`. */
  readonly clusterId: string;
  /** Further request headers (`CA_HEADER_*`). */
  readonly headers?: Readonly<Record<string, string>>;
  /** Requested life; default 24 h (`SECRET_TTL`). */
  readonly ttlMs?: number;
  /** Whether the identity is asked for by metadata (shared mode, default) or is the caller's own. */
  readonly impersonate?: boolean;
  /** Longest wait for one answer; default 30 s. */
  readonly timeoutMs?: number;
  readonly log: Logger;
}

/** A certificate source with a connection to release. */
export interface CaClient extends CertificateSource {
  /** Ends the connection; calls under way fail. Idempotent. */
  close(): void;
}

/**
 * Makes a client; connects at the first call. `fetch` rejects with ERR_IDENTITY_CA_UNREACHABLE, ERR_IDENTITY_CA_REFUSED,
 * ERR_IDENTITY_CA_BAD_RESPONSE, or the reason of the signal.
 */
export function createCaClient(options: CaClientOptions): CaClient {
  const channel = createChannelKeeper(options);
  const ttlMs = options.ttlMs ?? defaultTtlMs;

  const fetch: CaClient['fetch'] = async (identity, { signal }) => {
    signal.throwIfAborted();
    const { privateKeyPem, csrPem } = await createKeyAndCsr(identity);
    const request = create(IstioCertificateRequestSchema, {
      csr: csrPem,
      validityDuration: BigInt(Math.floor(ttlMs / 1000)),
      ...(options.impersonate === false ? {} : { metadata: { ImpersonatedIdentity: identity } }),
    });
    const metadata = await metadataOf(options);
    const client = channel.current();
    const response = await new Promise<IstioCertificateResponse>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        createCertificate.path,
        (value: typeof request) => createCertificate.requestSerialize(value),
        (bytes) => createCertificate.responseDeserialize(bytes),
        request,
        metadata,
        { deadline: Date.now() + (options.timeoutMs ?? defaultTimeoutMs) },
        (error, value) => {
          signal.removeEventListener('abort', onAbort);
          if (error !== null) reject(signal.aborted ? signal.reason : callError(error, options.address));
          else if (value === undefined)
            reject(new IdentityError('ERR_IDENTITY_CA_BAD_RESPONSE', 'the CA sent no message'));
          else resolve(value);
        },
      );
      const onAbort = (): void => call.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
    });
    return readIssuedChain(identity, privateKeyPem, response.certChain);
  };
  return { fetch, close: () => channel.close() };
}

interface ChannelKeeper {
  current(): Client;
  close(): void;
}

/** One channel, made anew when the roots change; while new roots cannot be used the old channel stays. */
function createChannelKeeper(options: CaClientOptions): ChannelKeeper {
  const { target, isPlaintext } = parseAddress(options.address);
  let client: Client | undefined;
  let rootsInUse: string | undefined;

  const current = (): Client => {
    try {
      const roots = isPlaintext ? '' : options.rootPem();
      if (client !== undefined && roots === rootsInUse) return client;
      const next = new Client(
        target,
        isPlaintext ? credentials.createInsecure() : tlsCredentials(roots, options.tls),
        channelOptions(options),
      );
      client?.close();
      client = next;
      rootsInUse = roots;
    } catch (cause) {
      if (client === undefined) {
        throw new IdentityError('ERR_IDENTITY_CA_UNREACHABLE', `the roots for the CA at ${target} cannot be used`, {
          cause,
        });
      }
      options.log.warn('new CA roots cannot be used, keeping the old ones', { address: target });
    }
    return client;
  };
  return {
    current,
    close: () => {
      client?.close();
      client = undefined;
    },
  };
}

function parseAddress(address: string): { target: string; isPlaintext: boolean } {
  if (address.startsWith('http://')) return { target: address.slice('http://'.length), isPlaintext: true };
  if (address.startsWith('https://')) return { target: address.slice('https://'.length), isPlaintext: false };
  return { target: address, isPlaintext: false };
}

function tlsCredentials(rootsPem: string, tls: CaClientOptions['tls']): ChannelCredentials {
  const context = createSecureContext({
    ca: rootsPem,
    minVersion: tls?.allowTls12 === true ? 'TLSv1.2' : 'TLSv1.3',
    ...(tls?.onlyPostQuantum === true ? { ecdhCurve: 'X25519MLKEM768' } : {}),
  });
  return credentials.createFromSecureContext(context);
}

function channelOptions(options: CaClientOptions): Record<string, string | number> {
  const base = { 'grpc.enable_retries': 0, 'grpc.use_local_subchannel_pool': 1 };
  return options.serverName === undefined
    ? base
    : { ...base, 'grpc.ssl_target_name_override': options.serverName, 'grpc.default_authority': options.serverName };
}

async function metadataOf(options: CaClientOptions): Promise<Metadata> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value);
  metadata.set('clusterid', options.clusterId);
  const token = await options.token?.();
  if (token !== undefined && token !== '') metadata.set('authorization', `Bearer ${token.trim()}`);
  return metadata;
}

function callError(error: ServiceError, address: string): IdentityError {
  const isDown = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED].includes(error.code);
  const name = status[error.code] ?? String(error.code);
  return new IdentityError(
    isDown ? 'ERR_IDENTITY_CA_UNREACHABLE' : 'ERR_IDENTITY_CA_REFUSED',
    `signing gRPC error (${name}) from ${address}: ${error.details}`,
    { cause: error, ...(isDown ? {} : { hint: 'the control plane logs the exact reason' }) },
  );
}
