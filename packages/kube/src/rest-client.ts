// KubeClient over HTTP. In: calls. Out: requests of transport.ts. Main thread.
import type { IncomingMessage } from 'node:http';
import { readAtMost } from '@ambit/runtime/read-at-most';
import type { KubernetesObject, ObjectOf } from '@ambit/resources';
import { apiVersionOf, type KindName, kindNamesOf, kindTable } from '@ambit/resources/kind-table';
import { apiPath, query } from './api-path.ts';
import type {
  AccessWish,
  KubeClient,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchType,
  TokenReview,
  WatchEvent,
} from './client.ts';
import { errorOfStatus, KubeError } from './errors.ts';
import { type ApiAccess, type ApiRequest, createTransport } from './transport.ts';
import { jsonLines, textLines } from './watch-lines.ts';

/** Largest answer that is read: 256 MiB (a list of a large cluster comes in pages of 500). */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
/** Largest text that is read (a container's log): 64 MiB. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const PAGE_SIZE = '500';
/** How much later than asked for a server may end a watch. */
const WATCH_GRACE_SECONDS = 60;
const CONTENT_TYPES: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

type Json = { readonly [field: string]: unknown };

/** A client that also owns connections. */
export interface RestClient extends KubeClient {
  /** The text at a path, for answers that are no objects (logs, version). Rejects with KubeError. */
  text(path: string): Promise<string>;
  /** Lines at a path as they come, for a log that is followed; ends with the answer or the signal. Rejects with KubeError. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>;
  /** Whether the credentials in use may do this (SelfSubjectAccessReview). Rejects with KubeError. */
  canI(wish: AccessWish): Promise<boolean>;
  /** A short-lived token of a service account (TokenRequest; needs create on serviceaccounts/token). Rejects with KubeError. */
  requestToken(request: TokenRequest): Promise<IssuedToken>;
  close(): void;
}

/** Whose token, what for and for how long. */
export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Who may accept it; a token of another audience than the API server's is good for nothing there. */
  readonly audiences: readonly string[];
  /** 600 at least. */
  readonly seconds: number;
}

/** A token and its end. */
export interface IssuedToken {
  readonly token: string;
  readonly endsAtMs: number;
}

/** Makes a client for an API server. */
export function createRestClient(access: ApiAccess, options: { userAgent: string }): RestClient {
  const transport = createTransport(access, options.userAgent);

  const call = async (request: ApiRequest): Promise<Json> => {
    const response = await transport.send(request);
    const body = await readBody(response);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return body;
    throw statusError(status, body, `${request.method} ${request.path}`);
  };

  const pathOf = (object: KubernetesObject, subresource?: string, withName = true): string => {
    const info = kindNamesOf(object);
    if (info === undefined) {
      throw new KubeError('ERR_KUBE_INVALID', `unknown kind ${object.apiVersion ?? ''} ${object.kind ?? ''}`);
    }
    return apiPath(
      info.kind as KindName,
      object.metadata?.namespace,
      withName ? object.metadata?.name : undefined,
      subresource,
    );
  };

  const client: RestClient = {
    async get<K extends KindName>({ kind, namespace, name }: ObjectRef<K>) {
      try {
        return (await call({ method: 'GET', path: apiPath(kind, namespace, name) })) as ObjectOf<K>;
      } catch (error) {
        if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
        throw error;
      }
    },
    list: (kind, listOptions = {}) => listAll(call, kind, listOptions),
    watch: (kind, resourceVersion, watchOptions = {}) =>
      watch((request) => transport.send(request), kind, resourceVersion, watchOptions),
    async create(object, { dryRun = false, resource } = {}) {
      const { namespace = '' } = object.metadata ?? {};
      const path =
        resource === undefined
          ? pathOf(object, undefined, false)
          : `/apis/${object.apiVersion ?? ''}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
      return (await call({
        method: 'POST',
        path: dryRun ? `${path}?dryRun=All` : path,
        body: JSON.stringify(object),
      })) as typeof object;
    },
    async update(object, { subresource } = {}) {
      return (await call({
        method: 'PUT',
        path: pathOf(object, subresource),
        body: JSON.stringify(object),
      })) as typeof object;
    },
    async apply(object, { fieldManager, force = true, subresource }) {
      return call({
        method: 'PATCH',
        path: pathOf(object, subresource) + query({ fieldManager, force: String(force) }),
        body: JSON.stringify(object),
        contentType: 'application/apply-patch+yaml',
      });
    },
    async patch({ kind, namespace, name }, body, { type, subresource, fieldManager }) {
      return call({
        method: 'PATCH',
        path: apiPath(kind, namespace, name, subresource) + query({ fieldManager }),
        body: JSON.stringify(body),
        contentType: CONTENT_TYPES[type],
      });
    },
    async delete({ kind, namespace, name }, { gracePeriodSeconds, preconditions } = {}) {
      const parameters = query({ gracePeriodSeconds: gracePeriodSeconds?.toString() });
      const options = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
      try {
        await call({
          method: 'DELETE',
          path: apiPath(kind, namespace, name) + parameters,
          ...(preconditions === undefined ? {} : { body: JSON.stringify(options) }),
        });
        return true;
      } catch (error) {
        if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return false;
        throw error;
      }
    },
    async reviewToken(token, audiences) {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
      const path = '/apis/authentication.k8s.io/v1/tokenreviews';
      return reviewOf(await call({ method: 'POST', path, body: JSON.stringify(body) }));
    },
    async canI(wish) {
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: wish },
      };
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const answer = await call({ method: 'POST', path, body: JSON.stringify(body) });
      return (answer['status'] as { allowed?: boolean } | undefined)?.allowed === true;
    },
    async requestToken({ namespace, serviceAccount, audiences, seconds }) {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences, expirationSeconds: seconds },
      };
      const path = apiPath('ServiceAccount', namespace, serviceAccount, 'token');
      const { status = {} } = (await call({ method: 'POST', path, body: JSON.stringify(body) })) as {
        status?: { token?: unknown; expirationTimestamp?: unknown };
      };
      const endsAtMs = Date.parse(String(status.expirationTimestamp));
      if (typeof status.token !== 'string' || Number.isNaN(endsAtMs))
        throw new KubeError('ERR_KUBE_INVALID', `POST ${path} was answered without a token`);
      return { token: status.token, endsAtMs };
    },
    async reviewAccess({ username, groups, extra }, wish) {
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: username, groups, extra, resourceAttributes: wish },
      };
      const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
      const answer = await call({ method: 'POST', path, body: JSON.stringify(body) });
      return (answer['status'] as { allowed?: boolean } | undefined)?.allowed === true;
    },
    async text(path) {
      const response = await transport.send({ method: 'GET', path });
      const body = await readText(response, MAX_TEXT_BYTES);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return body;
      throw statusError(status, jsonOf(body), `GET ${path}`);
    },
    lines: (path, signal) => followText((request) => transport.send(request), path, signal),
    close: () => transport.close(),
  };
  return client;
}

async function listAll(
  call: (request: ApiRequest) => Promise<Json>,
  kind: KindName,
  { namespace, labelSelector, fieldSelector, signal }: ListOptions,
): Promise<ObjectList> {
  const items: KubernetesObject[] = [];
  let next: string | undefined;
  for (;;) {
    const path = apiPath(kind, namespace) + query({ labelSelector, fieldSelector, limit: PAGE_SIZE, continue: next });
    const page = await call({ method: 'GET', path, signal });
    const metadata = (page['metadata'] ?? {}) as { resourceVersion?: string; continue?: string };
    // Items of a list carry neither kind nor version.
    const info = kindTable[kind];
    const head = { apiVersion: apiVersionOf(info), kind: info.kind };
    for (const item of (page['items'] ?? []) as KubernetesObject[]) items.push({ ...item, ...head });
    next = metadata.continue === '' ? undefined : metadata.continue;
    if (next === undefined) return { items, resourceVersion: metadata.resourceVersion ?? '' };
  }
}

async function* watch(
  send: (request: ApiRequest) => Promise<IncomingMessage>,
  kind: KindName,
  resourceVersion: string,
  { namespace, labelSelector, fieldSelector, signal }: ListOptions,
): AsyncGenerator<WatchEvent> {
  const lifeSeconds = 300 + Math.floor(Math.random() * 300);
  const parameters = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    labelSelector,
    fieldSelector,
    timeoutSeconds: String(lifeSeconds),
  };
  const path = apiPath(kind, namespace) + query(parameters);
  // A server answers a watch at once, long before the first event.
  const response = await send({ method: 'GET', path, signal });
  const status = response.statusCode ?? 0;
  if (status !== 200) throw statusError(status, await readBody(response), `watch ${path}`);
  response.socket.setTimeout(0);
  // The server ends a watch by itself after `timeoutSeconds`; a dead connection is noticed by keep-alive probes, a server that hangs by
  // this timer.
  response.socket.setKeepAlive(true, 30_000);
  const late = setTimeout(
    () => response.destroy(new Error('the server did not end it in time')),
    (lifeSeconds + WATCH_GRACE_SECONDS) * 1000,
  );
  late.unref();
  try {
    for await (const line of jsonLines(response)) yield eventOf(line, path);
  } catch (error) {
    if (KubeError.is(error)) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new KubeError('ERR_KUBE_UNREACHABLE', `watch ${path} broke: ${text}`, { cause: error });
  } finally {
    clearTimeout(late);
    response.destroy();
  }
}

async function* followText(
  send: (request: ApiRequest) => Promise<IncomingMessage>,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const response = await send({ method: 'GET', path, signal, timeoutMs: 0 });
  const status = response.statusCode ?? 0;
  if (status !== 200) throw statusError(status, await readBody(response), `GET ${path}`);
  response.socket.setKeepAlive(true, 30_000);
  try {
    yield* textLines(response);
  } catch (error) {
    if (signal.aborted) return;
    if (KubeError.is(error)) throw error;
    throw new KubeError('ERR_KUBE_UNREACHABLE', `GET ${path} broke off`, { cause: error });
  } finally {
    response.destroy();
  }
}

function eventOf(line: unknown, path: string): WatchEvent {
  const { type, object } = line as { type?: unknown; object?: KubernetesObject };
  if (typeof object === 'object' && object !== null) {
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') return { type, object };
    if (type === 'BOOKMARK') return { type, resourceVersion: object.metadata?.resourceVersion ?? '' };
    if (type === 'ERROR') throw statusError(Number(object['code'] ?? 0), object, `watch ${path}`);
  }
  throw new KubeError('ERR_KUBE_PROTOCOL', `watch ${path} sent an event that is none`);
}

async function readBody(response: IncomingMessage): Promise<Json> {
  return jsonOf(await readText(response, MAX_BODY_BYTES));
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  let body: Buffer | undefined;
  try {
    body = await readAtMost(response, maxBytes);
  } catch (error) {
    throw new KubeError('ERR_KUBE_UNREACHABLE', 'the answer of the API server broke off', { cause: error });
  }
  if (body === undefined) throw new KubeError('ERR_KUBE_PROTOCOL', `answer of more than ${maxBytes} bytes`);
  return body.toString('utf8');
}

function jsonOf(text: string): Json {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Json;
  } catch {
    // Error pages of proxies are plain text; the status says what matters.
  }
  return { message: text.slice(0, 500) };
}

function statusError(status: number, body: unknown, what: string): KubeError {
  const { reason, message } = body as { reason?: unknown; message?: unknown };
  return errorOfStatus(
    status,
    typeof reason === 'string' ? reason : '',
    typeof message === 'string' ? message : '',
    what,
  );
}

function reviewOf(answer: Json): TokenReview {
  const status = (answer['status'] ?? {}) as {
    authenticated?: boolean;
    user?: { username?: string; groups?: string[]; extra?: Record<string, string[]> };
    audiences?: string[];
    error?: string;
  };
  return {
    isAuthenticated: status.authenticated === true,
    username: status.user?.username ?? '',
    groups: status.user?.groups ?? [],
    audiences: status.audiences ?? [],
    extra: status.user?.extra ?? {},
    error: status.error ?? '',
  };
}
