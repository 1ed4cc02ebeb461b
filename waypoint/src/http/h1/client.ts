/**
 * HTTP/1.1 towards backends, with kept-alive connections (spec/waypoint.md 5.2).
 * Path 4, step 9: called by upstream/try.ts on the data thread. The bytes are client-connection.ts' business.
 */
import { UpstreamError } from '../../errors.ts';
import type {
  ConnectionRules,
  InterimListener,
  OpenConnection,
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
  UpstreamResponse,
} from '../upstream.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool, type Pooled } from './pool.ts';

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
    retire: (isGone, limitMs, reason) => pool.retire(isGone, limitMs, reason),
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
  #pooled: Pooled | undefined;
  #cancelled: Error | undefined;
  /** Waiting for a connection: its place among those that wait, and the way out of the line. */
  #pending: Disposable | undefined;
  #leaveLine: (() => void) | undefined;
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
    else if (request.rules === undefined) this.#dial(undefined);
    else this.#dialWithin(request.rules);
  }

  cancel(reason: Error): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    this.#request.body.detach();
    const pooled = this.#pooled;
    if (pooled !== undefined) {
      pooled.connection.destroy(reason);
      this.#pool.gone(pooled);
    }
    this.#reject(reason);
    this.#done();
  }

  release(): void {
    const pooled = this.#pooled;
    this.#pooled = undefined;
    if (pooled !== undefined) this.#pool.gone(pooled);
    this.#done();
  }

  /** Dials when the backend may have one more connection, else waits for one. */
  #dialWithin(rules: ConnectionRules): void {
    this.#pending ??= rules.pending();
    if (this.#pending === undefined) {
      this.#failed(new UpstreamError({ kind: 'overflow' }, false));
      return;
    }
    const place = rules.connection();
    if (place !== undefined || this.#pool.isEmpty(this.#key)) {
      this.#dial(place);
      return;
    }
    const take = (pooled: Pooled) => {
      this.#leaveLine = undefined;
      this.#start(pooled, true);
    };
    const tryAgain = () => {
      this.#leaveLine = undefined;
      this.#dialWithin(rules);
    };
    this.#leaveLine = this.#pool.wait(this.#key, { take, tryAgain });
  }

  #dial(place: Disposable | undefined): void {
    const dialling = this.#pool.dialling(this.#key);
    this.#open().then(
      (endpoint) => {
        dialling[Symbol.dispose]();
        let pooled: Pooled | undefined;
        const onIdleEnd = () => {
          if (pooled !== undefined) this.#pool.gone(pooled);
        };
        const connection = new ClientConnection(endpoint, this.#keepSpelling, { onIdleEnd });
        pooled = this.#pool.add(this.#key, connection, this.#request.rules, place);
        if (this.#cancelled === undefined) this.#start(pooled, false);
        else this.#pool.give(pooled);
      },
      (error: unknown) => {
        dialling[Symbol.dispose]();
        place?.[Symbol.dispose]();
        this.#pool.dialFailed(this.#key);
        this.#failed(error instanceof Error ? error : new Error('connect failed', { cause: error }));
      },
    );
  }

  #start(pooled: Pooled, isKept: boolean): void {
    this.#pooled = pooled;
    this.#endWait();
    this.requestSent = true;
    pooled.requests += 1;
    pooled.connection.send(this.#request, {
      onInterim: this.#onInterim,
      onResponse: (response) => this.#resolve(response),
      onFree: () => {
        this.#pooled = undefined;
        this.#pool.give(pooled);
        this.#done();
      },
      onFailed: (error, isUnanswered) => {
        this.#pooled = undefined;
        this.#pool.gone(pooled);
        const mayRepeat = isKept && isUnanswered && this.#cancelled === undefined;
        const { method, body, rules } = this.#request;
        if (!mayRepeat || !repeatable.has(method) || !body.isReplayable) this.#failed(error);
        else if (rules === undefined) this.#dial(undefined);
        else this.#dialWithin(rules);
      },
      onEnded: () => {
        this.#pooled = undefined;
        this.#pool.gone(pooled);
        this.#done();
      },
    });
  }

  #endWait(): void {
    this.#leaveLine?.();
    this.#leaveLine = undefined;
    this.#pending?.[Symbol.dispose]();
    this.#pending = undefined;
  }

  #failed(error: Error): void {
    this.#request.body.detach();
    this.#reject(
      this.#cancelled ?? (error instanceof UpstreamError ? error : new UpstreamError({ kind: 'closed' }, true, error)),
    );
    this.#done();
  }

  #done(): void {
    this.#endWait();
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }
}
