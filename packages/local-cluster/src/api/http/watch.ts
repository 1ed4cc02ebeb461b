/**
 * Watch streams (spec/local-cluster.md 4.3, 4.4). In: resource and query; out: one JSON event per line until the client
 * leaves, the time is over or it reads too slowly. Called by GET with `watch=true`. Main thread.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type { Change } from '../../store/database.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import { selectChange } from '../create-object-api.ts';
import { selectorOf } from '../read/list.ts';
import { checkWatchOptions, parseRevision } from '../read/list-options.ts';
import type { Resource } from '../resources/resource.ts';
import { present } from '../write/present.ts';
import type { Exchange } from './exchange.ts';
import type { Representation } from './negotiate.ts';
import { isTrue } from './request-info.ts';
import { includeObjectOf, objectText, tableText } from './shape.ts';

/** Events that may wait for a reader that takes nothing, and for how long; a busy server alone never ends a watch. */
const queueLimit = 1000;
const patienceMs = 5000;
/** Text that may wait in any case, in characters. */
const queueLimitCharacters = 16 * 1024 * 1024;
/** Least time between two writes to one watch: with many watchers a write per change costs more than the change. */
const paceMs = 5;
/** How long the end of a watch may wait for a reader that stands still. */
const lingerMs = 10_000;
const bookmarkMs = 60_000;
/** Without timeoutSeconds a watch lives 30 to 60 minutes. */
const lifeMs = (): number => (30 + Math.random() * 30) * 60_000;

/** What a watch needs. */
export interface WatchServices {
  readonly store: ObjectStore;
  readonly now: () => number;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

/** Lines of plain events: watchers of the same object share them. */
const lines = new WeakMap<KubeObject, { readonly type: string; readonly text: string }>();

/**
 * A running stream: queues lines and writes them as fast as the client reads. Who reads too slowly is told so as
 * Kubernetes does: the answer ends after a whole event, and the client watches on from the last revision it saw.
 */
class WatchStream {
  readonly #exchange: Exchange;
  readonly #resource: Resource;
  readonly #representation: Representation;
  readonly #now: () => number;
  readonly #finished = Promise.withResolvers<void>();
  #queue: string[] = [];
  #queuedCharacters = 0;
  #isPlanned = false;
  #writtenAtMs = 0;
  /** When the client stopped taking; undefined while it reads. */
  #blockedAtMs: number | undefined;
  #isOver = false;
  #hasColumns = false;

  constructor(exchange: Exchange, resource: Resource, representation: Representation, now: () => number) {
    this.#exchange = exchange;
    this.#resource = resource;
    this.#representation = representation;
    this.#now = now;
    exchange.response.on('close', () => this.end());
    exchange.response.on('drain', () => {
      this.#blockedAtMs = undefined;
      this.#flush();
    });
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  #line(text: string): void {
    if (this.#isOver) return;
    this.#queue.push(text);
    this.#queuedCharacters += text.length;
    if (this.#blockedAtMs !== undefined) {
      const waitedMs = this.#now() - this.#blockedAtMs;
      const isLate = this.#queue.length > queueLimit && waitedMs > patienceMs;
      if (isLate || this.#queuedCharacters > queueLimitCharacters) this.#cut();
    } else if (!this.#isPlanned) {
      this.#isPlanned = true;
      const flush = (): void => {
        this.#isPlanned = false;
        this.#flush();
      };
      const restMs = this.#writtenAtMs + paceMs - performance.now();
      if (restMs <= 0) setImmediate(flush);
      else setTimeout(flush, restMs);
    }
  }

  #flush(): void {
    if (this.#blockedAtMs !== undefined || this.#queue.length === 0 || this.#isOver) return;
    const text = this.#queue.join('');
    this.#queue = [];
    this.#queuedCharacters = 0;
    this.#writtenAtMs = performance.now();
    // Both responses write text; their overloads differ.
    const { response } = this.#exchange;
    if (!(response as { write(chunk: string): boolean }).write(text)) this.#blockedAtMs = this.#now();
  }

  /** Ends a stream whose client does not read; what waits is dropped, the log still has it. */
  #cut(): void {
    this.#queue = [];
    this.end();
    setTimeout(() => this.#exchange.response.destroy(), lingerMs).unref();
  }

  #body(object: KubeObject): string {
    if (this.#representation.as !== 'Table') {
      return objectText(object, this.#resource, this.#representation, this.#exchange.query, this.#now());
    }
    const include = includeObjectOf(this.#exchange.query);
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    const text = tableText(
      [object],
      this.#resource,
      this.#representation,
      metadata,
      include,
      this.#now(),
      !this.#hasColumns,
    );
    this.#hasColumns = true;
    return text;
  }

  event(type: string, object: KubeObject): void {
    if (this.#representation.as !== undefined) {
      this.#line(`{"type":"${type}","object":${this.#body(object)}}\n`);
      return;
    }
    let line = lines.get(object);
    if (line?.type !== type) {
      line = { type, text: `{"type":"${type}","object":${this.#body(object)}}\n` };
      lines.set(object, line);
    }
    this.#line(line.text);
  }

  bookmark(revision: number, annotations?: Readonly<Record<string, string>>): void {
    const { kind, apiVersion } = this.#resource;
    const metadata = { resourceVersion: String(revision), ...(annotations === undefined ? {} : { annotations }) };
    const object =
      this.#representation.as === 'PartialObjectMetadata'
        ? { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${this.#representation.version}`, metadata }
        : this.#representation.as === 'Table'
          ? {
              kind: 'Table',
              apiVersion: `meta.k8s.io/${this.#representation.version}`,
              metadata,
              columnDefinitions: null,
              rows: [],
            }
          : { kind, apiVersion, metadata };
    this.#line(`{"type":"BOOKMARK","object":${JSON.stringify(object)}}\n`);
  }

  tooOld(asked: number, compacted: number): void {
    const status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: `too old resource version: ${asked} (${compacted})`,
      reason: 'Expired',
      code: 410,
    };
    this.#line(`{"type":"ERROR","object":${JSON.stringify(status)}}\n`);
  }

  end(): void {
    if (this.#isOver) return;
    this.#flush();
    this.#isOver = true;
    this.#exchange.response.end();
    this.#finished.resolve();
  }
}

function timeoutOf(query: URLSearchParams): number {
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : lifeMs();
}

/** Serves one watch until it ends. */
export async function serveWatch(
  exchange: Exchange,
  resource: Resource,
  namespace: string | undefined,
  representation: Representation,
  services: WatchServices,
): Promise<void> {
  const { query } = exchange;
  const { store } = services;
  const selector = selectorOf(resource, query);
  const { streamsList } = checkWatchOptions(query);
  const asked = parseRevision(query.get('resourceVersion') ?? '');
  if (representation.as === 'Table') includeObjectOf(query);
  exchange.prepare({ 'Content-Type': 'application/json' });
  exchange.response.statusCode = 200;
  (exchange.response as { flushHeaders(): void }).flushHeaders();
  const stream = new WatchStream(exchange, resource, representation, services.now);
  const test = (object: KubeObject): boolean =>
    (namespace === undefined || object.metadata.namespace === namespace) && selector.test(present(resource, object));
  const send = (change: Change): void => {
    if (change.revision <= asked && !streamsList) return;
    const event = selectChange(change, test);
    if (event !== undefined) stream.event(event.type, present(resource, event.object));
  };
  const hasBookmarks = isTrue(query.get('allowWatchBookmarks'));
  if (streamsList || asked === 0) {
    for (const object of store.list(resource.storageName, namespace))
      if (test(object)) stream.event('ADDED', present(resource, object));
    if (streamsList && hasBookmarks) stream.bookmark(store.revision, { 'k8s.io/initial-events-end': 'true' });
  } else {
    const missed = store.changesSince(resource.storageName, asked);
    if (missed === undefined) {
      stream.tooOld(asked, store.compactedRevision);
      stream.end();
      return;
    }
    for (const change of missed) send(change);
  }
  await live(stream, store, resource, send, hasBookmarks, timeoutOf(query), services.closing);
}

async function live(
  stream: WatchStream,
  store: ObjectStore,
  resource: Resource,
  send: (change: Change) => void,
  hasBookmarks: boolean,
  timeoutMs: number,
  closing: AbortSignal,
): Promise<void> {
  using _listener = store.listen(resource.storageName, send);
  const bookmarks = hasBookmarks ? setInterval(() => stream.bookmark(store.revision), bookmarkMs) : undefined;
  bookmarks?.unref();
  const end = (): void => stream.end();
  const over = new AbortController();
  closing.addEventListener('abort', end);
  wait(timeoutMs, undefined, { signal: over.signal, ref: false }).then(
    () => {
      if (hasBookmarks) stream.bookmark(store.revision);
      stream.end();
    },
    () => undefined,
  );
  await stream.finished;
  clearInterval(bookmarks);
  over.abort();
  closing.removeEventListener('abort', end);
}
