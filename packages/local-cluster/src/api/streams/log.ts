/** The log subresource (spec/local-cluster.md 7.3). In: exchange and pod; out: the container's text, chunked. */

import { isDigits } from '../characters.ts';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type { ObjectStore } from '../../store/object-store.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { Exchange } from '../http/exchange.ts';
import { isTrue } from '../http/request-info.ts';
import type { RequestInfo } from '../http/request-info.ts';
import { listAt, textAt } from '../json.ts';
import type { PodStreams } from '../pod-streams.ts';
import { badRequest, notFound, notImplemented } from '../status.ts';

/** True for subresources that need an upgraded connection. */
export const isStream = (subresource: string): boolean => ['exec', 'attach', 'portforward'].includes(subresource);

/** The container a request means; throws 400 with the choice when it does not say. */
export function chooseContainer(pod: KubeObject, asked: string): string {
  const names = listAt(pod, 'spec', 'containers').map((item) => textAt(item, 'name'));
  const others = [...listAt(pod, 'spec', 'initContainers'), ...listAt(pod, 'spec', 'ephemeralContainers')];
  const all = [...names, ...others.map((item) => textAt(item, 'name'))];
  const podName = pod.metadata.name ?? '';
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${podName}`);
    return asked;
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (preferred !== undefined && all.includes(preferred)) return preferred;
  const [first] = names;
  if (names.length !== 1 || first === undefined) {
    throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${names.join(' ')}]`);
  }
  return first;
}

const numberOf = (query: URLSearchParams, name: string): number | undefined => {
  const text = query.get(name);
  return text !== null && isDigits(text, 12) ? Number(text) : undefined;
};

function sinceOf(query: URLSearchParams, nowMs: number): number | undefined {
  const seconds = numberOf(query, 'sinceSeconds');
  if (seconds !== undefined) return nowMs - seconds * 1000;
  const time = query.get('sinceTime');
  return time === null ? undefined : Date.parse(time);
}

/** Streams a log. */
export async function serveLog(
  exchange: Exchange,
  info: RequestInfo,
  store: ObjectStore,
  streams: PodStreams | undefined,
): Promise<void> {
  const pod = store.get('pods', info.namespace ?? '', info.name ?? '');
  if (pod === undefined) throw notFound({ group: '', resource: 'pods' }, info.name ?? '');
  if (streams === undefined) throw notImplemented('this server runs no pods');
  const { query } = exchange;
  const container = chooseContainer(pod, query.get('container') ?? '');
  const gone = new AbortController();
  exchange.response.on('close', () => gone.abort());
  const chunks = streams
    .log({
      pod,
      container,
      follow: isTrue(query.get('follow')),
      previous: isTrue(query.get('previous')),
      timestamps: isTrue(query.get('timestamps')),
      tailLines: numberOf(query, 'tailLines'),
      limitBytes: numberOf(query, 'limitBytes'),
      sinceMs: sinceOf(query, Date.now()),
      signal: gone.signal,
    })
    [Symbol.asyncIterator]();
  const first = await chunks.next();
  exchange.prepare({ 'Content-Type': 'text/plain' });
  exchange.response.statusCode = 200;
  (exchange.response as { flushHeaders(): void }).flushHeaders();
  async function* rest(): AsyncGenerator<Buffer | string> {
    if (first.done !== true) yield first.value;
    for (;;) {
      const next = await chunks.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
  try {
    await pipeline(Readable.from(rest(), { objectMode: false }), exchange.response as NodeJS.WritableStream);
  } catch {
    // The client left, or the log ended badly after the headers: only a reset can tell.
    exchange.response.destroy();
  }
}
