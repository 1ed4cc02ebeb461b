/**
 * HTTP/1.1 towards backends, with kept-alive connections (spec/waypoint.md 5.2).
 * Path 4, step 9: called by upstream/try.ts on the data thread. The bytes are client-connection.ts' business.
 */
import { UpstreamError } from '../../errors.ts';
import type {
  InterimListener,
  OpenConnection,
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
  UpstreamResponse,
} from '../upstream.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool } from './pool.ts';

/** Settings of {@link createHttp1Client}. */
export interface Http1ClientOptions {
  /** Whether names of fields keep the letter case of backends. */
  readonly keepSpelling?: () => boolean;
}

/** Makes the client of a data thread. */
export const createHttp1Client = (options: Http1ClientOptions = {}): UpstreamClient => {
  const pool = new ConnectionPool();
  const keepSpelling = options.keepSpelling ?? (() => false);
  return {
    send: (key, open, request, onInterim) => new Http1Call(pool, key, open, request, onInterim, keepSpelling()),
    close: () => pool.close(),
  };
};

/** Methods that may be sent again when a kept connection turns out to be dead (RFC 9110 9.2.2). */
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

class Http1Call implements UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  requestSent = false;
  onDone: (() => void) | undefined;
  readonly #pool: ConnectionPool;
  readonly #key: string;
  readonly #request: UpstreamRequest;
  readonly #onInterim: InterimListener;
  readonly #open: OpenConnection;
  readonly #keepSpelling: boolean;
  #connection: ClientConnection | undefined;
  #cancelled: Error | undefined;
  #resolve!: (response: UpstreamResponse) => void;
  #reject!: (reason: Error) => void;

  constructor(
    pool: ConnectionPool,
    key: string,
    open: OpenConnection,
    request: UpstreamRequest,
    onInterim: InterimListener,
    keepSpelling: boolean,
  ) {
    this.#pool = pool;
    this.#key = key;
    this.#request = request;
    this.#open = open;
    this.#onInterim = onInterim;
    this.#keepSpelling = keepSpelling;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const kept = pool.take(key);
    if (kept !== undefined) this.#start(kept, true);
    else this.#dial();
  }

  cancel(reason: Error): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    this.#request.body.detach();
    this.#connection?.destroy(reason);
    this.#reject(reason);
    this.#done();
  }

  #dial(): void {
    this.#open().then(
      (endpoint) => {
        const connection = new ClientConnection(endpoint, this.#keepSpelling, this.#pool.idleEvents(this.#key));
        if (this.#cancelled === undefined) this.#start(connection, false);
        else this.#pool.give(this.#key, connection);
      },
      (error: unknown) => this.#failed(error instanceof Error ? error : new Error('connect failed', { cause: error })),
    );
  }

  #start(connection: ClientConnection, isKept: boolean): void {
    this.#connection = connection;
    this.requestSent = true;
    connection.send(this.#request, {
      onInterim: this.#onInterim,
      onResponse: (response) => this.#resolve(response),
      onFree: () => {
        this.#pool.give(this.#key, connection);
        this.#done();
      },
      onFailed: (error, isUnanswered) => {
        this.#connection = undefined;
        const mayRepeat = isKept && isUnanswered && this.#cancelled === undefined;
        if (mayRepeat && repeatable.has(this.#request.method) && this.#request.body.isReplayable) this.#dial();
        else this.#failed(error);
      },
      onEnded: () => this.#done(),
    });
  }

  #failed(error: Error): void {
    this.#request.body.detach();
    this.#reject(
      this.#cancelled ?? (error instanceof UpstreamError ? error : new UpstreamError({ kind: 'closed' }, true, error)),
    );
    this.#done();
  }

  #done(): void {
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }
}
