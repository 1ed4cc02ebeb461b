// In: the resources of one response. Out: decoded updates for the handler, and a reject for each one that cannot be used.
// Called by: client/delta-stream.ts. Pure apart from the handler's own store. Main thread.
import type { DeltaDiscoveryResponse } from '@ambit/proto/discovery';
import { messageOf } from '@ambit/runtime/errors';

/** One accepted update. */
export interface ResourceUpdate<T> {
  readonly name: string;
  readonly version: string;
  /** Other names that this resource answers to (on-demand keys such as `<network>/<ip>`). */
  readonly aliases: readonly string[];
  readonly resource: T;
}

/** One resource refused with a reason; a NACK carries them. */
export interface Reject {
  readonly name: string;
  readonly reason: string;
}

/** What one response means for a store: updates first, in order, then removals. */
export interface ResourceBatch<T> {
  readonly updated: readonly ResourceUpdate<T>[];
  readonly removed: readonly string[];
}

/**
 * How an app takes one type of resource.
 * `decode` may throw: that resource alone is rejected. `apply` changes the store in one step and returns what it refused;
 * an exception from it counts as a reject of the whole batch, so it must leave the store unchanged then.
 */
export interface ResourceHandler<T> {
  readonly typeUrl: string;
  decode(bytes: Uint8Array, name: string): T;
  apply(batch: ResourceBatch<T>): readonly Reject[] | void;
}

/** A handler whose type parameter is hidden, so that handlers of several types fit one list. */
export interface AnyResourceHandler {
  readonly typeUrl: string;
  /** Decodes, applies, and returns the names accepted with their versions and aliases, and the rejects. */
  take(response: DeltaDiscoveryResponse): TakenBatch;
}

/** Outcome of one response. */
export interface TakenBatch {
  readonly accepted: readonly ResourceUpdate<unknown>[];
  readonly removed: readonly string[];
  readonly rejects: readonly Reject[];
}

/** Hides the type parameter of a handler. */
export function anyHandler<T>(handler: ResourceHandler<T>): AnyResourceHandler {
  return { typeUrl: handler.typeUrl, take: (response) => takeBatch(handler, response) };
}

function takeBatch<T>(handler: ResourceHandler<T>, response: DeltaDiscoveryResponse): TakenBatch {
  const rejects: Reject[] = [];
  const updated: ResourceUpdate<T>[] = [];
  for (const { name, version, aliases, resource } of response.resources) {
    try {
      if (resource === undefined) throw new Error('resource has no content');
      updated.push({ name, version, aliases, resource: handler.decode(resource.value, name) });
    } catch (error) {
      rejects.push({ name, reason: messageOf(error) });
    }
  }
  const removed = response.removedResources;
  try {
    rejects.push(...(handler.apply({ updated, removed }) ?? []));
  } catch (error) {
    const reason = messageOf(error);
    return { accepted: [], removed: [], rejects: [...rejects, ...updated.map(({ name }) => ({ name, reason }))] };
  }
  if (rejects.length === 0) return { accepted: updated, removed, rejects };
  const bad = new Set(rejects.map((reject) => reject.name));
  return { accepted: updated.filter((update) => !bad.has(update.name)), removed, rejects };
}
