// In: responses of the server and demands of the app. Out: the requests to send, in order. Path 3, step 2.
// Called by: client.ts, which owns the real stream. No I/O: a test holds a dialogue with it. Main thread.
// Sources: spec node-proxy 4.3 (requests), 4.4 (responses), 4.8 (first sync).
import { create } from '@bufbuild/protobuf';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type Node,
} from '@ambit/proto/discovery';
import type { Logger } from '@ambit/runtime/log';
import { XdsError } from '../errors.ts';
import type { Reject } from '../resource-type.ts';
import { type Subscription, recordBatch, release } from './subscription.ts';

/** The protocol state of a client, across its streams. */
export interface DeltaStream {
  /** Requests that open a new stream: one per type in order, and named ones where a wildcard type also has demands. */
  start(): DeltaDiscoveryRequest[];
  /** Takes one response: store, waiters, versions; returns the ACK or NACK. */
  onResponse(response: DeltaDiscoveryResponse): DeltaDiscoveryRequest;
  /** Asks for names of a type; undefined when there is nothing new to say on this stream. */
  subscribe(typeUrl: string, names: readonly string[]): DeltaDiscoveryRequest | undefined;
  /**
   * Gives names back. Nothing is sent now: they ride on the next subscribe of the type, because istiod answers
   * an unsubscribe that stands alone by removing everything (spec control-plane 4.4 S10).
   */
  release(typeUrl: string, names: readonly string[]): void;
  /** The state of a type; throws ERR_XDS_UNKNOWN_TYPE. */
  subscription(typeUrl: string): Subscription;
}

/** Longest text of a NACK in characters; the rest of the rejects is only counted. */
const MAX_NACK_CHARACTERS = 8192;

/** Makes the protocol state. `subscriptions` are in the order in which they are requested. */
export function createDeltaStream(options: {
  node: Node;
  subscriptions: readonly Subscription[];
  log: Logger;
}): DeltaStream {
  const { node, log } = options;
  const byType = new Map(options.subscriptions.map((item) => [item.handler.typeUrl, item]));

  const subscriptionOf = (typeUrl: string): Subscription => {
    const found = byType.get(typeUrl);
    if (found === undefined) throw new XdsError('ERR_XDS_UNKNOWN_TYPE', `no subscription for ${typeUrl}`);
    return found;
  };

  return {
    subscription: subscriptionOf,
    start() {
      const requests: DeltaDiscoveryRequest[] = [];
      for (const subscription of byType.values()) {
        subscription.released.clear();
        requests.push(...openingRequests(subscription, node));
      }
      return requests;
    },
    onResponse(response) {
      const subscription = byType.get(response.typeUrl);
      const reply = { typeUrl: response.typeUrl, responseNonce: response.nonce };
      if (subscription === undefined) {
        log.error('response of a type that was never asked for', { type: response.typeUrl });
        return create(DeltaDiscoveryRequestSchema, reply);
      }
      const batch = subscription.handler.take(response);
      recordBatch(subscription, batch);
      subscription.isSynced = true;
      subscription.firstSync.resolve();
      log.debug('response applied', {
        type: response.typeUrl,
        updated: batch.accepted.length,
        removed: batch.removed.length,
        rejected: batch.rejects.length,
      });
      if (batch.rejects.length === 0) return create(DeltaDiscoveryRequestSchema, reply);
      const message = nackText(batch.rejects);
      log.warn('resources rejected', { type: response.typeUrl, rejected: batch.rejects.length, error: message });
      return create(DeltaDiscoveryRequestSchema, { ...reply, errorDetail: { code: 0, message } });
    },
    subscribe(typeUrl, names) {
      const subscription = subscriptionOf(typeUrl);
      const fresh = names.filter((name) => !subscription.asked.has(name));
      if (fresh.length === 0) return undefined;
      // Includes fresh names that were released before: to the server they are not new, unless dropped in the same request.
      const dropped = [...subscription.released];
      subscription.released.clear();
      for (const name of fresh) subscription.asked.add(name);
      return create(DeltaDiscoveryRequestSchema, {
        typeUrl,
        resourceNamesSubscribe: fresh,
        resourceNamesUnsubscribe: dropped,
      });
    },
    release(typeUrl, names) {
      const subscription = subscriptionOf(typeUrl);
      for (const name of names) release(subscription, name);
    },
  };
}

function openingRequests(subscription: Subscription, node: Node): DeltaDiscoveryRequest[] {
  const { typeUrl } = subscription.handler;
  const versions = new Map(subscription.held);
  if (subscription.mode === 'on-demand') {
    for (const name of subscription.asked) if (!versions.has(name)) versions.set(name, '');
    return [
      create(DeltaDiscoveryRequestSchema, {
        node,
        typeUrl,
        resourceNamesSubscribe: ['*'],
        resourceNamesUnsubscribe: ['*'],
        initialResourceVersions: Object.fromEntries(versions),
      }),
    ];
  }
  const opening = create(DeltaDiscoveryRequestSchema, {
    node,
    typeUrl,
    initialResourceVersions: Object.fromEntries(versions),
  });
  if (subscription.asked.size === 0) return [opening];
  // Names in the first request would end the wildcard; they follow.
  return [opening, create(DeltaDiscoveryRequestSchema, { typeUrl, resourceNamesSubscribe: [...subscription.asked] })];
}

function nackText(rejects: readonly Reject[]): string {
  const parts: string[] = [];
  let length = 0;
  for (const { name, reason } of rejects) {
    const part = `${name}: ${reason}`.slice(0, 1024);
    length += part.length + 2;
    if (length > MAX_NACK_CHARACTERS) {
      parts.push(`and ${rejects.length - parts.length} more`);
      break;
    }
    parts.push(part);
  }
  return parts.join('; ');
}
