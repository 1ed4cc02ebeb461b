// One HTTP request to the API server: TLS, credentials, keep-alive. In: method, path, body. Out: status and a body stream.
// Called by rest-client.ts. Main thread.
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { KubeError } from './errors.ts';

/** Where the API server is and how to prove who we are. Asked anew for each request, because tokens rotate. */
export interface ApiAccess {
  /** `https://host:port`, without trailing slash. */
  readonly server: string;
  /** TLS options and headers for the next request. */
  credentials(): Promise<{
    readonly options: RequestOptions;
    readonly headers: Record<string, string>;
  }>;
}

/** One request. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query, beginning with a slash. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** No answer for so long: the request fails. 0 = no limit (watches). Default 30 000. */
  readonly timeoutMs?: number;
}

/** Sends requests over pooled connections. */
export interface Transport {
  send(request: ApiRequest): Promise<IncomingMessage>;
  /** Closes idle connections; requests under way end by their signals. */
  close(): void;
}

/** Makes a transport; the caller closes it. */
export function createTransport(access: ApiAccess, userAgent: string): Transport {
  const url = new URL(access.server);
  const isTls = url.protocol === 'https:';
  const agent = isTls
    ? new HttpsAgent({ keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 4 })
    : new HttpAgent({ keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 4 });
  const prefix = url.pathname === '/' ? '' : url.pathname;
  return {
    async send(request) {
      const { options, headers } = await access.credentials();
      request.signal?.throwIfAborted();
      return exchange(isTls ? httpsRequest : httpRequest, request, {
        ...options,
        agent,
        hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
        port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
        path: prefix + request.path,
        method: request.method,
        headers: { 'user-agent': userAgent, accept: 'application/json', ...headers, ...bodyHeaders(request) },
      });
    },
    close: () => agent.destroy(),
  };
}

function bodyHeaders({ body, contentType }: ApiRequest): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': contentType ?? 'application/json', 'content-length': String(Buffer.byteLength(body)) };
}

/**
 * Sends. A server may close a pooled connection just as a request goes out on it; then nobody has read the request, and it goes out once
 * more on a new one. A creation does not: it could have been read after all.
 */
async function exchange(
  send: typeof httpRequest,
  request: ApiRequest,
  options: RequestOptions,
): Promise<IncomingMessage> {
  const first = await attempt(send, request, options);
  if (!('stale' in first)) return first;
  const { agent: _pool, ...fresh } = options;
  const second = await attempt(send, request, { ...fresh, agent: false });
  if ('stale' in second) throw second.stale;
  return second;
}

async function attempt(
  send: typeof httpRequest,
  { body, signal, method, path, timeoutMs = 30_000 }: ApiRequest,
  options: RequestOptions,
): Promise<IncomingMessage | { readonly stale: KubeError }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error & { code?: string }): void => {
      const reason = signal?.aborted === true ? signal.reason : cause;
      const error = new KubeError(
        'ERR_KUBE_UNREACHABLE',
        `${method} ${path} at ${options.hostname}:${options.port} failed: ${cause.message}`,
        { cause: reason, hint: 'is the API server up, and does its certificate fit?' },
      );
      const isStale = request.reusedSocket && cause.code === 'ECONNRESET' && method !== 'POST';
      if (isStale && signal?.aborted !== true) resolve({ stale: error });
      else reject(error);
    };
    const request = send({ ...options, ...(signal && { signal }) }, resolve);
    request.on('error', fail);
    if (timeoutMs > 0) {
      request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    }
    request.end(body);
  });
}
