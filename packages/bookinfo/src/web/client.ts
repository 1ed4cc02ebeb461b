// In: host, path and headers. Out: status and body, or the error's text; never retried. Called by services and the load generator.
import { Agent, request as httpRequest } from 'node:http';

/** How one call ended: with a status, or with an error before a complete response. */
export interface CallResult {
  readonly status: number;
  readonly body: string;
  readonly error?: string;
  readonly elapsedMs: number;
}

/** One call. */
export interface Call {
  /** `host` or `host:port`; the default port is 9080. */
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 5000. */
  readonly timeoutMs?: number;
  /** A connection of its own for this call. Default false: connections are kept. */
  readonly fresh?: boolean;
}

const keepAlive = new Agent({ keepAlive: true, maxSockets: 16, timeout: 30_000 });

/** Headers that travel with a request through the whole application. */
const forwarded = ['x-request-id', 'traceparent', 'tracestate', 'end-user', 'user-agent', 'authorization'];

/** The headers of an incoming request that are passed on. */
export function passOn(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name of forwarded) {
    const value = headers[name];
    if (typeof value === 'string') result[name] = value;
  }
  return result;
}

/** Performs one HTTP call. Never rejects. */
export async function call({
  host,
  path,
  method = 'GET',
  headers = {},
  timeoutMs = 5000,
  fresh = false,
}: Call): Promise<CallResult> {
  const started = performance.now();
  const [hostname = host, port = '9080'] = host.split(':');
  return new Promise<CallResult>((resolve) => {
    const fail = (error: Error): void =>
      resolve({ status: 0, body: '', error: error.message || error.name, elapsedMs: performance.now() - started });
    const request = httpRequest(
      { hostname, port: Number(port), path, method, headers, timeout: timeoutMs, agent: fresh ? false : keepAlive },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', fail);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
            elapsedMs: performance.now() - started,
          }),
        );
      },
    );
    request.once('error', fail);
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.end();
  });
}
