// HTTPS on 15017: `/validate` judges Istio objects (spec control-plane 10.1), `/inject` answers for pods. In: AdmissionReviews. Out: verdicts.
// The API server knows us by our certificate; callers need no identity, as nothing is told that the caller did not send.
// Owned by app.ts; main thread. Limits: 3 MiB of body (the API server's own), 10 s per request.
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WorkloadCertificate } from '@ambit/identity';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { ControlPlaneError } from '../errors.ts';
import { type AdmissionAnswer, review } from './admission.ts';
import { injectionReview } from './injection.ts';

const MAX_BODY_BYTES = 3 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/** A bound webhook server. */
export interface WebhookServer {
  readonly port: number;
  /** Serves new connections with another certificate. */
  setCertificate(certificate: WorkloadCertificate): void;
  destroy(): void;
}

/** What the server reports to. */
export interface WebhookServerOptions {
  readonly log: Logger;
  /** Called for every verdict. */
  readonly onVerdict: (isAllowed: boolean) => void;
  /** Called when a request for a verdict got an HTTP error instead. */
  readonly onHttpError: (status: number) => void;
  /** Called for every pod that `/inject` was asked about; `isAsked`: somebody wants an injection and is told that there is none. */
  readonly onInjection: (isAsked: boolean) => void;
}

/** Binds the webhook. Throws ERR_CONTROL_PLANE_LISTEN. */
export async function listenWebhook(
  host: string,
  port: number,
  certificate: WorkloadCertificate,
  options: WebhookServerOptions,
): Promise<WebhookServer> {
  const { log } = options;
  const server = createServer({ ...pairOf(certificate), requestTimeout: REQUEST_TIMEOUT_MS, minVersion: 'TLSv1.2' });
  server.on('request', (request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      log.debug('webhook answer failed', { error: messageOf(error) });
      response.destroy();
    });
  });
  server.on('tlsClientError', (error) => log.debug('webhook handshake failed', { error: messageOf(error) }));
  await listening(server, host, port);
  server.on('error', (error) => log.error('webhook server failed', { error: messageOf(error) }));
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (next) => server.setSecureContext(pairOf(next)),
    destroy() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const pairOf = ({ certChainPem, privateKeyPem }: WorkloadCertificate): { cert: string; key: string } => ({
  cert: certChainPem,
  key: privateKeyPem,
});

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: Error): void =>
      reject(new ControlPlaneError('ERR_CONTROL_PLANE_LISTEN', `cannot listen on ${host}:${port}`, { cause }));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookServerOptions,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0] ?? '';
  const [, purpose = ''] = path.split('/');
  const end = (status: number, text: string): void => {
    if (status !== 200 && purpose === 'validate') options.onHttpError(status);
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(text);
  };
  if (path === '/httpsReady') return end(200, '');
  const decide = DECISIONS.get(purpose);
  if (decide === undefined) return end(404, 'not found\n');
  if (request.method !== 'POST') return end(405, 'method not allowed\n');
  if ((request.headers['content-type'] ?? '').split(';')[0] !== 'application/json') {
    return end(415, 'invalid Content-Type, want `application/json`\n');
  }
  const body = await bodyOf(request);
  if (body === undefined) return end(413, `body is larger than ${MAX_BODY_BYTES} bytes\n`);
  if (body.length === 0) return end(400, 'no body found\n');
  const verdict = decide(parsed(body), options);
  if (verdict === undefined) return end(400, 'could not decode body: not an AdmissionReview\n');
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(verdict));
}

function validate(body: unknown, { log, onVerdict }: WebhookServerOptions): AdmissionAnswer | undefined {
  const verdict = review(body);
  if (verdict === undefined) return undefined;
  onVerdict(verdict.response.allowed);
  if (!verdict.response.allowed) log.info('configuration refused', { message: verdict.response.status?.message ?? '' });
  return verdict;
}

function inject(body: unknown, { onInjection }: WebhookServerOptions): AdmissionAnswer | undefined {
  const answered = injectionReview(body);
  if (answered !== undefined) onInjection(answered.isAsked);
  return answered?.review;
}

/** By the first part of the path; more parts may follow, as the charts of upstream write them. */
const DECISIONS: ReadonlyMap<string, typeof validate> = new Map([
  ['validate', validate],
  ['inject', inject],
]);

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    const piece = part as Buffer;
    length += piece.length;
    if (length > MAX_BODY_BYTES) return undefined;
    parts.push(piece);
  }
  return Buffer.concat(parts);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
