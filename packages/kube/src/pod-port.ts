// A connection to a port of a pod, through the API server (subresource `portforward`, WebSocket protocol v4.channel.k8s.io).
// In: how to reach the API server, pod, port. Out: a byte stream, or the answer of one HTTP request. Called by the CLI. Main thread.
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { Duplex } from 'node:stream';
import { readAtMost } from '@ambit/runtime/read-at-most';
import WebSocket from 'ws';
import { KubeError } from './errors.ts';
import type { ApiAccess } from './transport.ts';

/** A port of a pod, as seen from inside the pod: loopback listeners included. */
export interface PodPort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

const DATA = 0;
const ERROR = 1;
/** Each channel begins with the port number, two bytes. */
const GREETING_BYTES = 2;
const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 15_000;

const describe = ({ namespace, name, port }: PodPort): string => `port ${port} of pod ${namespace}/${name}`;

/** The two channels of the socket as one byte stream. */
class ChannelStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #greeted = new Set<number>();
  readonly #target: PodPort;

  constructor(socket: WebSocket, target: PodPort) {
    super();
    this.#socket = socket;
    this.#target = target;
    // An error may come before the owner listens; it stays readable as `errored`.
    this.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#take(data));
    socket.on('close', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
  }

  #take(frame: Buffer): void {
    const channel = frame[0];
    if (channel === undefined || (channel !== DATA && channel !== ERROR)) return;
    if (!this.#greeted.has(channel)) {
      this.#greeted.add(channel);
      if (frame.length <= 1 + GREETING_BYTES) return;
    }
    const body = frame.subarray(1);
    if (channel === DATA) this.push(body);
    else if (body.length > 0) {
      this.destroy(new KubeError('ERR_KUBE_UNREACHABLE', `${describe(this.#target)}: ${body.toString('utf8').trim()}`));
    }
  }

  override _read(): void {
    // The socket pushes as data comes; answers of admin ports are bounded by their readers.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.of(DATA), chunk]), { binary: true }, done);
  }

  override _final(done: () => void): void {
    // The protocol has no half-close: the other side ends the connection when it has answered.
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }
}

/** Connects. Rejects with KubeError: ERR_KUBE_NOT_FOUND, ERR_KUBE_FORBIDDEN, ERR_KUBE_UNREACHABLE. The caller destroys the stream. */
export async function openPodPort(access: ApiAccess, target: PodPort): Promise<Duplex> {
  const { options, headers } = await access.credentials();
  const url = new URL(access.server);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const prefix = url.pathname === '/' ? '' : url.pathname;
  url.pathname = `${prefix}/api/v1/namespaces/${encodeURIComponent(target.namespace)}/pods/${encodeURIComponent(target.name)}/portforward`;
  url.search = `ports=${target.port}`;
  const socket = new WebSocket(url, ['v4.channel.k8s.io'], {
    ...options,
    headers: { ...headers },
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: CONNECT_TIMEOUT_MS,
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(new ChannelStream(socket, target)));
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      response.resume();
      const code =
        response.statusCode === 404
          ? 'ERR_KUBE_NOT_FOUND'
          : response.statusCode === 403
            ? 'ERR_KUBE_FORBIDDEN'
            : 'ERR_KUBE_UNREACHABLE';
      reject(
        new KubeError(code, `${describe(target)} cannot be reached: the API server answered ${response.statusCode}`, {
          status: response.statusCode ?? 0,
          ...(code === 'ERR_KUBE_FORBIDDEN' ? { hint: 'the role needs create on pods/portforward' } : {}),
        }),
      );
    });
    socket.once('error', (cause) =>
      reject(new KubeError('ERR_KUBE_UNREACHABLE', `${describe(target)} cannot be reached`, { cause })),
    );
  });
}

/** One HTTP request to a port of a pod. */
export interface PodHttpRequest extends PodPort {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Longest answer that is read; default 256 MiB. */
  readonly maxBytes?: number;
}

/** Asks. Any status is an answer. Rejects with KubeError when there is none. */
export async function askPod(
  access: ApiAccess,
  request: PodHttpRequest,
): Promise<{ readonly status: number; readonly body: string }> {
  const { method = 'GET', path, timeoutMs = 10_000, maxBytes = 256 * 1024 * 1024 } = request;
  const stream = await openPodPort(access, request);
  try {
    const body = await Promise.race([exchange(stream, { method, path, maxBytes }), brokenOrLate(stream, timeoutMs)]);
    return body;
  } catch (cause) {
    if (KubeError.is(cause)) throw cause;
    throw new KubeError('ERR_KUBE_UNREACHABLE', `${describe(request)} did not answer ${method} ${path}`, { cause });
  } finally {
    stream.destroy();
  }
}

/** Rejects when the stream breaks or takes too long; an HTTP client would notice neither on a stream that is no socket. */
async function brokenOrLate(stream: Duplex, timeoutMs: number): Promise<never> {
  if (stream.errored !== null) throw stream.errored;
  return new Promise((_resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    timer.unref();
    stream.once('error', reject);
    stream.once('close', () => clearTimeout(timer));
  });
}

async function exchange(
  stream: Duplex,
  { method, path, maxBytes }: { readonly method: string; readonly path: string; readonly maxBytes: number },
): Promise<{ readonly status: number; readonly body: string }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = httpRequest(
      { method, path, host: 'localhost', headers: { connection: 'close' }, createConnection: () => stream },
      resolve,
    );
    call.on('error', reject);
    call.end();
  });
  const body = await readAtMost(response, maxBytes);
  if (body === undefined) throw new Error(`the answer is longer than ${maxBytes} bytes`);
  return { status: response.statusCode ?? 0, body: body.toString('utf8') };
}
