/**
 * One call of a webhook over HTTPS (spec/local-cluster.md 6). In: a review and where to send it; out: the response part
 * of the answer, or why there is none. A Service is reached through a ready pod of it, in the pod's own network. Never
 * rejects. Main thread.
 */

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { KubeObject } from '../../store/kube-object.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { PodStreams } from '../pod-streams.ts';
import type { Webhook } from './webhooks.ts';

const maxAnswerBytes = 8 * 1024 * 1024;

/** What came of a call: the `response` of the review, or the text after `failed calling webhook "x": `. */
export type WebhookOutcome = { readonly response: JsonObject } | { readonly error: string };

/** Calls a webhook. */
export type WebhookCaller = (hook: Webhook, review: JsonObject) => Promise<WebhookOutcome>;

/** Go's words for the failures that clients search for. */
function goText(error: NodeJS.ErrnoException & { readonly address?: string; readonly port?: number }): string {
  if (error.code === 'ECONNREFUSED' && error.address !== undefined) {
    const host = error.address.includes(':') ? `[${error.address}]` : error.address;
    return `dial tcp ${host}:${error.port ?? 0}: connect: connection refused`;
  }
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'context deadline exceeded';
  if (error.cause instanceof Error) return goText(error.cause);
  return error.message === '' ? (error.code ?? 'failed') : error.message;
}

/** A ready pod of the service's port, and the port's number in the pod. */
function readyPod(
  store: ObjectStore,
  service: KubeObject,
  portNumber: number,
): { pod: KubeObject; port: number } | undefined {
  const { name = '', namespace = '' } = service.metadata;
  const wanted = listAt(service, 'spec', 'ports').find((port) => isObject(port) && port['port'] === portNumber);
  if (wanted === undefined) return undefined;
  for (const slice of store.list('endpointslices.discovery.k8s.io', namespace)) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
    const port = listAt(slice, 'ports').find((item) => textAt(item, 'name') === textAt(wanted, 'name'));
    const number = isObject(port) ? port['port'] : undefined;
    if (typeof number !== 'number') continue;
    for (const endpoint of listAt(slice, 'endpoints')) {
      if (objectAt(endpoint, 'conditions')?.['ready'] !== true) continue;
      const pod = store.get('pods', namespace, textAt(endpoint, 'targetRef', 'name'));
      if (pod !== undefined) return { pod, port: number };
    }
  }
  return undefined;
}

/** A connection to a pod behind the service; a text when there is none. */
async function dialService(
  reference: JsonObject,
  store: ObjectStore,
  streams: PodStreams | undefined,
  signal: AbortSignal,
): Promise<Duplex | string> {
  const name = textAt(reference, 'name');
  const service = store.get('services', textAt(reference, 'namespace'), name);
  if (service === undefined) return `service ${JSON.stringify(name)} not found`;
  const found = readyPod(store, service, portOf(reference));
  if (found === undefined || streams === undefined) return `no endpoints available for service ${JSON.stringify(name)}`;
  return streams.portForward({ ...found, signal });
}

const portOf = (reference: JsonObject): number => (typeof reference['port'] === 'number' ? reference['port'] : 443);

/** The address as texts show it, with the port of a Service. */
function addressOf(clientConfig: JsonObject, timeoutSeconds: number): string {
  const service = objectAt(clientConfig, 'service');
  const query = `timeout=${timeoutSeconds}s`;
  if (service === undefined) {
    const address = textAt(clientConfig, 'url');
    return `${address}${address.includes('?') ? '&' : '?'}${query}`;
  }
  const path = textAt(service, 'path');
  const host = `${textAt(service, 'name')}.${textAt(service, 'namespace')}.svc:${portOf(service)}`;
  return `https://${host}${path.startsWith('/') ? path : `/${path}`}?${query}`;
}

/** Sends the review, through `socket` when there is one; resolves with status and text. */
async function post(
  url: URL,
  socket: Duplex | undefined,
  hook: Webhook,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const bundle = textAt(hook.clientConfig, 'caBundle');
  const trust = bundle === '' ? {} : { ca: Buffer.from(bundle, 'base64').toString('utf8') };
  const options: RequestOptions = {
    method: 'POST',
    signal,
    headers: {
      Accept: 'application/json, */*',
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
    },
    ...trust,
    // An agent would make a connection of its own.
    ...(socket === undefined
      ? { agent: new Agent({ keepAlive: false }) }
      : { createConnection: () => connectTls({ socket, servername: url.hostname, ...trust }) }),
  };
  const request = httpsRequest(url, options);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  // Later failures end the iteration below.
  request.on('error', () => undefined);
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > maxAnswerBytes) throw new Error(`answer of more than ${maxAnswerBytes} bytes`);
  }
  return { status: response.statusCode ?? 0, text };
}

function readAnswer(status: number, text: string): WebhookOutcome {
  if (status < 200 || status >= 300) {
    const why = text.trim() === '' ? 'the server responded with the status code' : JSON.stringify(text.trim());
    return {
      error: `failed to call webhook: an error on the server (${why}) has prevented the request from succeeding`,
    };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const response = objectAt(value, 'response');
  if (response === undefined) return { error: 'received invalid webhook response: webhook response was absent' };
  return { response };
}

/** Builds the caller; `streams` is asked at each call, because nodes come later than the API. */
export function createWebhookCaller(store: ObjectStore, streams: () => PodStreams | undefined): WebhookCaller {
  return async (hook, review) => {
    const { clientConfig, timeoutSeconds } = hook;
    const signal = AbortSignal.timeout(timeoutSeconds * 1000);
    const service = objectAt(clientConfig, 'service');
    const address = addressOf(clientConfig, timeoutSeconds);
    let socket: Duplex | undefined;
    try {
      if (service !== undefined) {
        const dialed = await dialService(service, store, streams(), signal);
        if (typeof dialed === 'string')
          return { error: `failed to call webhook: Post ${JSON.stringify(address)}: ${dialed}` };
        socket = dialed;
      }
      const { status, text } = await post(new URL(address), socket, hook, JSON.stringify(review), signal);
      return readAnswer(status, text);
    } catch (error) {
      const text = error instanceof Error ? goText(error) : 'failed';
      return { error: `failed to call webhook: Post ${JSON.stringify(address)}: ${text}` };
    } finally {
      socket?.destroy();
    }
  };
}
