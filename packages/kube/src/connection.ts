// In: requests. Out: answers, or a stream of lines. Keeps connections open and credentials fresh. Called by client.ts and informer.ts.
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions, request as httpsRequest } from 'node:https';
import { KubeError } from './errors.ts';
import { type KubeCredentials, readAccess, type ServerAccess } from './kube-config.ts';

/** One request. */
export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with its query. */
  readonly path: string;
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  readonly accept?: string;
  /** Default 30 000; for a stream, the longest silence. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A connection to one API server with one identity. */
export interface KubeConnection {
  readonly server: string;
  readonly namespace: string | undefined;
  /** The parsed answer. Rejects with KubeError. */
  readonly json: (request: KubeRequest) => Promise<unknown>;
  /** The answer's text. */
  readonly text: (request: KubeRequest) => Promise<string>;
  /** Lines of an answer that goes on, as they arrive. Ends when the server ends it; rejects with KubeError. */
  readonly lines: (request: KubeRequest) => AsyncGenerator<string, void, void>;
  /** Closes idle connections. */
  readonly close: () => void;
}

const answerLimitBytes = 256 * 1024 * 1024;
const lineLimitBytes = 64 * 1024 * 1024;
const credentialsLifeMs = 30_000;

interface Transport {
  readonly agent: HttpAgent | HttpsAgent;
  readonly options: RequestOptions;
  readonly until: number;
}

/** Gives out the transport; reads the credentials again after 30 s and keeps the agent while they stay the same. */
function createTransport(access: ServerAccess): {
  readonly current: () => Promise<Transport>;
  readonly close: () => void;
} {
  let held: Transport | undefined;
  let identity = '';
  const current = async (): Promise<Transport> => {
    if (held !== undefined && performance.now() < held.until) return held;
    const { agent: _, ...options } = await access.credentials();
    const next = JSON.stringify([options.ca, options.cert, options.key, options.servername].map(String));
    const isSame = held !== undefined && next === identity;
    if (!isSame) held?.agent.destroy();
    const secure = {
      ca: options.ca,
      cert: options.cert,
      key: options.key,
      servername: options.servername,
      rejectUnauthorized: options.rejectUnauthorized,
    };
    const defined = Object.fromEntries(Object.entries(secure).filter(([, value]) => value !== undefined));
    const agent =
      isSame && held !== undefined
        ? held.agent
        : access.server.startsWith('http:')
          ? new HttpAgent({ keepAlive: true })
          : new HttpsAgent({ keepAlive: true, ...defined });
    identity = next;
    held = { agent, options, until: performance.now() + credentialsLifeMs };
    return held;
  };
  return { current, close: () => held?.agent.destroy() };
}

async function open(access: ServerAccess, transport: Transport, request: KubeRequest): Promise<IncomingMessage> {
  const url = new URL(access.server + request.path);
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers = {
    ...(transport.options.headers as Record<string, string> | undefined),
    accept: request.accept ?? 'application/json',
    'user-agent': 'ambit',
    ...(body === undefined
      ? {}
      : {
          'content-type': request.contentType ?? 'application/json',
          'content-length': String(Buffer.byteLength(body)),
        }),
  };
  const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
  return new Promise((resolve, reject) => {
    const outgoing = send(
      url,
      {
        method: request.method,
        headers,
        agent: transport.agent,
        timeout: request.timeoutMs ?? 30_000,
        ...(transport.options.auth === undefined ? {} : { auth: transport.options.auth }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      },
      resolve,
    );
    outgoing.once('timeout', () => outgoing.destroy(new Error(`silent for ${request.timeoutMs ?? 30_000} ms`)));
    outgoing.on('error', (cause) =>
      reject(
        new KubeError('ERR_KUBE_UNREACHABLE', `${request.method} ${access.server}${url.pathname} failed`, {
          cause,
          hint: 'is the API server running and the kubeconfig right?',
        }),
      ),
    );
    outgoing.end(body);
  });
}

async function textOf(response: IncomingMessage, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > answerLimitBytes)
        throw new KubeError('ERR_KUBE_ANSWER', `${what}: the answer is larger than ${answerLimitBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof KubeError) throw cause;
    throw new KubeError('ERR_KUBE_UNREACHABLE', `${what}: the answer broke off`, { cause });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error for an answer that is not 2xx, with the server's own message. */
function statusError(status: number, text: string, what: string): KubeError {
  let message = text.trim().slice(0, 500);
  let reason = '';
  try {
    const parsed = JSON.parse(text) as { message?: string; reason?: string };
    message = parsed.message ?? message;
    reason = parsed.reason ?? '';
  } catch {
    // Not a Status object: the text is the message.
  }
  return new KubeError('ERR_KUBE_STATUS', message === '' ? `${what} answered ${status}` : message, { status, reason });
}

async function* splitLines(response: IncomingMessage): AsyncGenerator<string, void, void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response as AsyncIterable<Buffer>) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > lineLimitBytes)
      throw new KubeError('ERR_KUBE_ANSWER', `a line of the answer is longer than ${lineLimitBytes} bytes`);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') yield line;
  }
}

/** Connects. Throws ERR_KUBE_CONFIG; whether the server answers shows with the first request. */
export function connectKube(credentials: KubeCredentials): KubeConnection {
  const access = readAccess(credentials);
  const transport = createTransport(access);
  const answer = async (request: KubeRequest): Promise<IncomingMessage> => {
    const response = await open(access, await transport.current(), request);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const what = `${request.method} ${request.path}`;
    throw statusError(status, await textOf(response, what), what);
  };
  const text = async (request: KubeRequest): Promise<string> =>
    textOf(await answer(request), `${request.method} ${request.path}`);
  return {
    server: access.server,
    namespace: access.namespace,
    text,
    json: async (request) => {
      const body = await text(request);
      try {
        return JSON.parse(body) as unknown;
      } catch (cause) {
        throw new KubeError('ERR_KUBE_ANSWER', `${request.method} ${request.path}: the answer is not JSON`, { cause });
      }
    },
    lines: async function* (request) {
      const response = await answer(request);
      try {
        yield* splitLines(response);
      } catch (cause) {
        if (cause instanceof KubeError) throw cause;
        throw new KubeError('ERR_KUBE_UNREACHABLE', `${request.method} ${request.path}: the stream broke off`, {
          cause,
        });
      } finally {
        response.destroy();
      }
    },
    close: () => transport.close(),
  };
}
