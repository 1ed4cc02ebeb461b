// Node proxies as the control plane sees them: many wildcard streams in a thread of their own. In: an address and a number.
// Out: messages to the parent: ready, and each workload that reached all of them, with the time of the last. Worker of suite.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { openRawClient, type RawXdsClient } from '@ambit/xds/testing';

/** What the parent hands over. */
export interface AgentsData {
  readonly address: string;
  readonly agents: number;
}

/** What the parent is told. */
export type AgentsMessage =
  | { readonly kind: 'ready' }
  /** `atMs`: time since the epoch at which the last agent had it. */
  | { readonly kind: 'arrived'; readonly name: string; readonly atMs: number };

const LONG_MS = 600_000;
const { address, agents } = workerData as AgentsData;
const counts = new Map<string, number>();

function onArrival(name: string): void {
  const count = (counts.get(name) ?? 0) + 1;
  if (count < agents) {
    counts.set(name, count);
    return;
  }
  counts.delete(name);
  parentPort?.postMessage({
    kind: 'arrived',
    name,
    atMs: performance.timeOrigin + performance.now(),
  } satisfies AgentsMessage);
}

async function follow(stream: RawXdsClient): Promise<void> {
  for (let response = await stream.next(LONG_MS); response !== undefined; response = await stream.next(LONG_MS)) {
    stream.send({ typeUrl: ADDRESS_TYPE_URL, responseNonce: response.nonce });
    for (const { name } of response.resources) onArrival(name);
  }
}

for (let index = 0; index < agents; index++) {
  const stream = openRawClient(address);
  const id = `ztunnel~10.0.0.1~ztunnel-${index}.istio-system~istio-system.svc.cluster.local`;
  // What an agent has from an earlier life does not matter here: it follows, and asks for nothing that is there already.
  stream.send({
    node: { id, metadata: { NAMESPACE: 'istio-system', NODE_NAME: `node-${index}` } },
    typeUrl: ADDRESS_TYPE_URL,
    resourceNamesSubscribe: ['*'],
  });
  const first = await stream.next(LONG_MS);
  if (first === undefined) throw new Error('the control plane gave no first answer');
  stream.send({ typeUrl: ADDRESS_TYPE_URL, responseNonce: first.nonce });
  void follow(stream);
}
parentPort?.postMessage({ kind: 'ready' } satisfies AgentsMessage);
