/**
 * TLS of a DestinationRule towards a backend, inside the tunnel or on the plain socket (spec/waypoint.md 5.4).
 * In: a Backend and the request's host. Out: undefined (no TLS), or a plan that wraps a connection. Data thread.
 *
 * Fails closed: without its key material, and when the server's name does not fit, there is no connection; never plain text.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  checkServerIdentity,
  connect,
  type ConnectionOptions,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import { type Backend, type ClientTls, ClientTls_Mode, type Secret } from '@ambit/proto/waypoint';
import { messageOf } from '@ambit/runtime/errors';
import { UpstreamError } from '../errors.ts';

/** How to wrap the connections of one backend and host. */
export interface TlsPlan {
  /** Equal for connections that may be shared. */
  readonly id: string;
  /** Rejects with UpstreamError; the plain connection is then destroyed. */
  wrap(
    plain: Duplex,
    options: { readonly alpn: 'h2' | 'http/1.1' | undefined; readonly timeoutMs: number },
  ): Promise<Duplex>;
}

/** Plan for a backend; `authority` is the host of the request, undefined for raw TCP. */
export type TlsPlanner = (
  backend: Backend | undefined,
  authority: string | undefined,
  secret: (key: string) => Secret | undefined,
) => TlsPlan | undefined;

interface Material {
  readonly id: number;
  readonly context: SecureContext;
  /** What it was made of: a changed Secret makes a new one. */
  readonly secrets: readonly (Secret | undefined)[];
}

const missingSecret = 'TLS_error: Secret is not supplied by SDS';

/** Makes the planner of a data thread; it keeps one context per configuration and key material. */
export const createTlsPlanner = (): TlsPlanner => {
  const known = new WeakMap<ClientTls, Material>();
  let nextId = 0;
  const materialOf = (settings: ClientTls, secret: (key: string) => Secret | undefined): Material => {
    const secrets = [secret(settings.certificate), secret(settings.ca), secret(settings.crl)];
    const old = known.get(settings);
    if (old !== undefined && old.secrets.every((one, index) => one === secrets[index])) return old;
    const made = { id: (nextId += 1), context: contextOf(settings, secret), secrets };
    known.set(settings, made);
    return made;
  };
  return (backend, authority, secret) => {
    const settings = backend?.tls;
    if (backend === undefined || settings === undefined) return undefined;
    if (settings.mode !== ClientTls_Mode.SIMPLE && settings.mode !== ClientTls_Mode.MUTUAL) return undefined;
    const sni = settings.sni || hostNameOf(authority);
    let material: Material;
    try {
      material = materialOf(settings, secret);
    } catch (error) {
      const reason = messageOf(error);
      return { id: 'tls broken', wrap: (plain) => refuse(plain, reason) };
    }
    const { id, context } = material;
    return {
      id: `tls ${id} ${sni ?? ''}`,
      wrap: (plain, options) => wrap(plain, { ...options, context, sni, verify: verifierOf(backend, settings, sni) }),
    };
  };
};

const refuse = (plain: Duplex, reason: string): Promise<never> => {
  plain.destroy();
  return Promise.reject(new UpstreamError({ kind: 'connect', reason }, false));
};

/** Host without port; addresses are no server names. */
const hostNameOf = (authority: string | undefined): string | undefined => {
  if (authority === undefined || authority.startsWith('[')) return undefined;
  const host = authority.split(':')[0] as string;
  return host === '' || isIP(host) !== 0 ? undefined : host;
};

const contextOf = (settings: ClientTls, secret: (key: string) => Secret | undefined): SecureContext => {
  const { mode, certificate, ca, systemCa, insecure, crl } = settings;
  const pair = mode === ClientTls_Mode.MUTUAL ? secret(certificate)?.body : undefined;
  if (mode === ClientTls_Mode.MUTUAL && pair?.case !== 'cert') throw new Error(missingSecret);
  const roots = ca === '' ? undefined : pemOf(ca, secret, 'ca');
  if (roots === undefined && !systemCa && !insecure) throw new Error(missingSecret);
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ...(roots === undefined ? {} : { ca: roots }),
    ...(crl === '' ? {} : { crl: pemOf(crl, secret, 'crl') }),
    ...(pair?.case === 'cert'
      ? { cert: Buffer.from(pair.value.certChainPem), key: Buffer.from(pair.value.privateKeyPem) }
      : {}),
  });
};

/** A file of this container, or a Secret. */
const pemOf = (key: string, secret: (key: string) => Secret | undefined, part: 'ca' | 'crl'): Buffer => {
  if (key.startsWith('/')) return readFileSync(key);
  const body = secret(key)?.body;
  const pem = body?.case === 'ca' ? (part === 'ca' ? body.value.pem : body.value.crlPem) : new Uint8Array();
  if (pem.byteLength === 0) throw new Error(missingSecret);
  return Buffer.from(pem);
};

type Verify = ((certificate: PeerCertificate) => Error | undefined) | undefined;

/** Undefined: nothing is verified, as the rule says. */
const verifierOf = (backend: Backend, settings: ClientTls, sni: string | undefined): Verify => {
  if (settings.insecure) return undefined;
  const configured = [...settings.sans, ...backend.subjectAltNames];
  const names = configured.length > 0 ? configured : [sni ?? backend.hostname];
  return (certificate) =>
    names.some((name) => bears(certificate, name))
      ? undefined
      : new Error('verify SAN list: certificate has none of the expected names');
};

const bears = (certificate: PeerCertificate, name: string): boolean => {
  if (!name.includes('://')) return checkServerIdentity(name, certificate) === undefined;
  // Names with quotes are escaped by Node and then equal to nothing.
  return (certificate.subjectaltname ?? '').split(', ').includes(`URI:${name}`);
};

interface WrapOptions {
  readonly alpn: 'h2' | 'http/1.1' | undefined;
  readonly timeoutMs: number;
  readonly context: SecureContext;
  readonly sni: string | undefined;
  readonly verify: Verify;
}

const wrap = (plain: Duplex, { alpn, timeoutMs, context, sni, verify }: WrapOptions): Promise<Duplex> => {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const connection: ConnectionOptions = {
    socket: plain,
    secureContext: context,
    rejectUnauthorized: verify !== undefined,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => verify?.(certificate),
    ...(sni === undefined ? {} : { servername: sni }),
    ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
  };
  const secure = connect(connection);
  const fail = (error: UpstreamError): void => {
    clearTimeout(timer);
    reject(error);
    secure.destroy();
    plain.destroy();
  };
  const timer = setTimeout(() => fail(new UpstreamError({ kind: 'connect-timeout' }, false)), timeoutMs).unref();
  secure.once('secureConnect', () => {
    clearTimeout(timer);
    resolve(secure);
  });
  // Stays: a later error ends the connection, whose owner listens for `close`.
  secure.on('error', (error) =>
    fail(new UpstreamError({ kind: 'connect', reason: `TLS_error: ${messageOf(error)}` }, false, error)),
  );
  secure.once('close', () => fail(new UpstreamError({ kind: 'connect', reason: 'TLS_error: closed' }, false)));
  return promise;
};
