// In: what an app wants of one type and what the server said. Out: names to ask for, and answers to whoever waits for a name.
// Called by: delta-stream.ts. No I/O. Main thread.
import type { AnyResourceHandler, TakenBatch } from '../resource-type.ts';

/** How a type is subscribed: everything the server shows us, or only what is asked for by name. */
export type SubscriptionMode = 'wildcard' | 'on-demand';

/** Answer to a demand. `timeout` = the server said neither in time; a late answer still reaches the store. */
export type DemandResult = 'found' | 'missing' | 'timeout';

/** The state of one type across streams. */
export interface Subscription {
  readonly handler: AnyResourceHandler;
  readonly mode: SubscriptionMode;
  /** Name to version of what the store holds; '' = held, but its newest version was rejected (ask again). */
  readonly held: Map<string, string>;
  /** Names asked for by demand, in the server's terms (primary names or aliases). */
  readonly asked: Set<string>;
  /** Alias to the names that answered to it. */
  readonly aliases: Map<string, Set<string>>;
  /** Aliases of each held name, to clean up. */
  readonly aliasesOf: Map<string, readonly string[]>;
  /** No longer wanted (given back, or answered "does not exist"), but still followed by the server until the next request says so. */
  readonly released: Set<string>;
  readonly waiters: Map<string, Set<(result: DemandResult) => void>>;
  /** Resolved after the first response of the type was taken. */
  readonly firstSync: PromiseWithResolvers<void>;
  isSynced: boolean;
  lastRejects: readonly string[];
}

/** Makes the state of a type; `held` is what a cache restored from an earlier life. */
export function createSubscription(
  handler: AnyResourceHandler,
  mode: SubscriptionMode,
  held: ReadonlyMap<string, string> = new Map(),
): Subscription {
  const firstSync = Promise.withResolvers<void>();
  // A client that is destroyed before the first sync rejects it; who never looked must not see an unhandled rejection.
  firstSync.promise.catch(() => undefined);
  return {
    handler,
    mode,
    held: new Map(held),
    asked: new Set(),
    aliases: new Map(),
    aliasesOf: new Map(),
    released: new Set(),
    waiters: new Map(),
    firstSync,
    isSynced: false,
    lastRejects: [],
  };
}

/** Says whether a name (or alias) is held. */
export function isHeld(subscription: Subscription, name: string): boolean {
  return subscription.held.has(name) || subscription.aliases.has(name);
}

/** Settles everybody who waits for a name. */
export function settleWaiters(subscription: Subscription, name: string, result: DemandResult): void {
  const waiting = subscription.waiters.get(name);
  if (waiting === undefined) return;
  subscription.waiters.delete(name);
  for (const settle of waiting) settle(result);
}

/**
 * Records one response after the store took it. Order (ztunnel): store (before this call), waiters, versions.
 * A rejected name is never recorded with the refused version; one already held keeps '' so that a reconnect brings it again.
 */
export function recordBatch(subscription: Subscription, batch: TakenBatch): void {
  for (const update of batch.accepted) {
    settleWaiters(subscription, update.name, 'found');
    for (const alias of update.aliases) settleWaiters(subscription, alias, 'found');
  }
  for (const reject of batch.rejects) settleWaiters(subscription, reject.name, 'missing');
  for (const name of batch.removed) {
    settleWaiters(subscription, name, 'missing');
    // Kept out of `asked`: an app that looks up many absent addresses must not make it grow.
    release(subscription, name);
  }

  for (const name of batch.removed) forget(subscription, name);
  for (const update of batch.accepted) {
    forget(subscription, update.name);
    subscription.held.set(update.name, update.version);
    if (update.aliases.length === 0) continue;
    subscription.aliasesOf.set(update.name, update.aliases);
    for (const alias of update.aliases) {
      const names = subscription.aliases.get(alias);
      if (names === undefined) subscription.aliases.set(alias, new Set([update.name]));
      else names.add(update.name);
    }
  }
  for (const reject of batch.rejects) {
    if (subscription.held.has(reject.name)) subscription.held.set(reject.name, '');
  }
  subscription.lastRejects = batch.rejects.map((reject) => reject.name);
}

/** Takes a name off what is asked for; the server hears of it with the next request. */
export function release(subscription: Subscription, name: string): void {
  if (subscription.asked.delete(name)) subscription.released.add(name);
}

function forget(subscription: Subscription, name: string): void {
  subscription.held.delete(name);
  const aliases = subscription.aliasesOf.get(name);
  if (aliases === undefined) return;
  subscription.aliasesOf.delete(name);
  for (const alias of aliases) {
    const names = subscription.aliases.get(alias);
    names?.delete(name);
    if (names?.size === 0) subscription.aliases.delete(alias);
  }
}
