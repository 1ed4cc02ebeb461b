/**
 * A websocket towards a backend whose port speaks HTTP/2: an extended CONNECT (RFC 8441) where the backend announces it, else the
 * upgrade of HTTP/1.1 (spec/waypoint.md 5.10). In: the request with its `Upgrade`. Out: a call whose response is a 101 either way.
 * Also the handshake key, which HTTP/2 has none of. Called by upstream/try.ts; data thread.
 */
import { createHash, randomBytes } from 'node:crypto';
import { UpstreamError } from '../errors.ts';
import type { Http2Client } from './h2/client.ts';
import type {
  InterimListener,
  OpenConnection,
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
  UpstreamResponse,
} from './upstream.ts';

/** How backends are reached. */
export interface WebsocketClients {
  readonly http1: UpstreamClient;
  readonly http2: Http2Client;
}

/** Dials for either version; TLS tells them apart. */
export type OpenFor = (isHttp2: boolean) => OpenConnection;

/** Sends the upgrade of HTTP/1.1. `isKeyless`: the client came over HTTP/2 and may have no key; then one is made, and its echo checked. */
export const sendUpgrade = (
  http1: UpstreamClient,
  key: string,
  open: OpenConnection,
  request: UpstreamRequest,
  onInterim: InterimListener,
  isKeyless: boolean,
): UpstreamCall => {
  if (!isKeyless || request.headers.has('sec-websocket-key')) return http1.send(key, open, request, onInterim);
  const nonce = randomBytes(16).toString('base64');
  request.headers.set('sec-websocket-key', nonce);
  const call = http1.send(key, open, request, onInterim);
  return new CheckedCall(call, (response) => {
    if (response.upgraded === undefined || response.headers.get('sec-websocket-accept') === acceptOf(nonce)) return;
    const error = new UpstreamError({ kind: 'protocol' }, true);
    response.upgraded.endpoint.destroy(error);
    throw error;
  });
};

/** Asks the backend's settings first, then sends one way or the other. */
export const sendWebsocket = (
  { http1, http2 }: WebsocketClients,
  key: string,
  open: OpenFor,
  request: UpstreamRequest,
  onInterim: InterimListener,
  isKeyless: boolean,
): UpstreamCall => {
  const openHttp2 = open(true);
  return new ChosenCall(
    http2
      .takesWebsockets(key, openHttp2)
      .then((takes) =>
        takes
          ? sendExtendedConnect(http2, key, openHttp2, request, onInterim)
          : sendUpgrade(http1, key, open(false), request, onInterim, isKeyless),
      ),
  );
};

const sendExtendedConnect = (
  http2: Http2Client,
  key: string,
  open: OpenConnection,
  request: UpstreamRequest,
  onInterim: InterimListener,
): UpstreamCall => {
  const headers = request.headers.clone();
  const nonce = headers.get('sec-websocket-key');
  headers.removeIf((name) => name === 'connection' || name === 'upgrade' || name === 'sec-websocket-key');
  const call = http2.send(key, open, { ...request, headers }, onInterim);
  return new CheckedCall(call, (response) => {
    if (response.upgraded === undefined) return;
    response.headers.set('connection', 'Upgrade');
    response.headers.set('upgrade', 'websocket');
    if (nonce !== undefined) response.headers.set('sec-websocket-accept', acceptOf(nonce));
  });
};

/** RFC 6455 4.2.2. */
export const acceptOf = (nonce: string): string =>
  createHash('sha1').update(`${nonce}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** A call whose response is looked at before it goes on. */
class CheckedCall implements UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  readonly #call: UpstreamCall;

  constructor(call: UpstreamCall, check: (response: UpstreamResponse) => void) {
    this.#call = call;
    this.response = call.response.then((response) => {
      try {
        check(response);
      } catch (error) {
        call.release();
        throw error;
      }
      return response;
    });
  }

  release(): void {
    this.#call.release();
  }

  get requestSent(): boolean {
    return this.#call.requestSent;
  }

  get onDone(): (() => void) | undefined {
    return this.#call.onDone;
  }

  set onDone(listener: (() => void) | undefined) {
    this.#call.onDone = listener;
  }

  cancel(reason: Error): void {
    this.#call.cancel(reason);
  }
}

/** A call that is made once it is known how. */
class ChosenCall implements UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  #call: UpstreamCall | undefined;
  #onDone: (() => void) | undefined;
  #cancelled: Error | undefined;

  constructor(chosen: Promise<UpstreamCall>) {
    this.response = this.#start(chosen);
  }

  get requestSent(): boolean {
    return this.#call?.requestSent ?? false;
  }

  get onDone(): (() => void) | undefined {
    return this.#onDone;
  }

  set onDone(listener: (() => void) | undefined) {
    this.#onDone = listener;
    if (this.#call !== undefined) this.#call.onDone = listener;
  }

  cancel(reason: Error): void {
    this.#cancelled = reason;
    this.#call?.cancel(reason);
  }

  release(): void {
    this.#call?.release();
  }

  async #start(chosen: Promise<UpstreamCall>): Promise<UpstreamResponse> {
    let call: UpstreamCall;
    try {
      call = await chosen;
    } catch (error) {
      const onDone = this.#onDone;
      this.#onDone = undefined;
      onDone?.();
      throw error;
    }
    this.#call = call;
    call.onDone = this.#onDone;
    if (this.#cancelled !== undefined) call.cancel(this.#cancelled);
    return call.response;
  }
}
