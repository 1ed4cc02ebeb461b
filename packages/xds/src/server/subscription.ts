// In: one request of a client. Out: what its subscription of that type is now, and whether an answer is due.
// Called by: delta-session.ts. Pure apart from the state it is given. Source: spec control-plane 4.4 (rows S3 to S10).
import { XdsError } from '../errors.ts';
import type { DeltaRequest } from './delta-request.ts';
import type { ResourceSource } from './resource-source.ts';

/** What the server remembers of one type on one stream. */
export interface TypeState {
  readonly source: ResourceSource;
  readonly isWildcard: boolean;
  /** Names (keys and primary names) that the client follows; empty for a wildcard that forgets them. */
  readonly names: Set<string>;
  /** Primary name to the keys that brought it in, for names that the client never named itself. */
  readonly broughtBy: Map<string, Set<string>>;
  /** Name to version sent; kept for scoped and on-demand clients only. */
  readonly sent: Map<string, string> | undefined;
  lastNonce: string;
  /** Push generation of the last response. */
  sentGeneration: number;
  sentAtMs: number;
  ackedNonce: string;
  ackedGeneration: number;
  /** Text of the last NACK; undefined after an ACK. */
  lastError: string | undefined;
  nacks: number;
}

/** What a request asks to be answered. */
export interface RequestedChange {
  /** Keys named in this request, without the star. */
  readonly asked: ReadonlySet<string>;
  /** Names given back in this request that were followed. */
  readonly dropped: readonly string[];
  /** Versions that the client already has. */
  readonly initialVersions: ReadonlyMap<string, string>;
}

/** Limits against a hostile client. */
export interface SubscriptionLimits {
  /** Most names that one client follows per type. */
  readonly maxNames: number;
  /** Longest name in characters. */
  readonly maxNameCharacters: number;
}

/** Starts the subscription of a type from its first request (row S4). */
export function openType(
  source: ResourceSource,
  request: DeltaRequest,
  isScoped: boolean,
  limits: SubscriptionLimits,
): { state: TypeState; change: RequestedChange } {
  checkNames(request, limits);
  const asked = askedNames(request);
  const names = new Set(asked);
  for (const name of request.resourceNamesUnsubscribe) names.delete(name);
  const isWildcard = source.alwaysWildcard === true || names.has('*') || request.resourceNamesSubscribe.length === 0;
  names.delete('*');
  asked.delete('*');
  if (isWildcard) names.clear();
  checkCount(names, limits);
  const state: TypeState = {
    source,
    isWildcard,
    names,
    broughtBy: new Map(),
    sent: isScoped || !isWildcard ? new Map() : undefined,
    lastNonce: '',
    sentGeneration: 0,
    sentAtMs: 0,
    ackedNonce: '',
    ackedGeneration: 0,
    lastError: undefined,
    nacks: 0,
  };
  return { state, change: { asked, dropped: [], initialVersions: request.initialResourceVersions } };
}

/** Applies a later request (row S6). Returns undefined when nothing changed and no answer is due. */
export function changeType(
  state: TypeState,
  request: DeltaRequest,
  remembersNames: boolean,
  limits: SubscriptionLimits,
): RequestedChange | undefined {
  checkNames(request, limits);
  const asked = askedNames(request);
  asked.delete('*');
  const unsubscribed = request.resourceNamesUnsubscribe.filter((name) => name !== '*');
  const change = { asked, initialVersions: request.initialResourceVersions };
  if (!remembersNames) {
    return asked.size === 0 && unsubscribed.length === 0 ? undefined : { ...change, dropped: [] };
  }
  let isChanged = false;
  for (const name of asked) {
    if (state.names.has(name)) continue;
    state.names.add(name);
    isChanged = true;
  }
  const dropped: string[] = [];
  for (const name of unsubscribed) {
    if (!state.names.delete(name)) continue;
    isChanged = true;
    if (!asked.has(name)) dropped.push(name);
  }
  checkCount(state.names, limits);
  return isChanged ? { ...change, dropped } : undefined;
}

/** Names brought in only by keys that were given back; they are forgotten too. */
export function forgetBroughtBy(state: TypeState, dropped: readonly string[]): string[] {
  const gone: string[] = [];
  for (const [name, keys] of state.broughtBy) {
    let isTouched = false;
    for (const key of dropped) isTouched = keys.delete(key) || isTouched;
    if (!isTouched || keys.size > 0) continue;
    state.broughtBy.delete(name);
    state.names.delete(name);
    gone.push(name);
  }
  return gone;
}

function askedNames(request: DeltaRequest): Set<string> {
  const names = new Set(request.resourceNamesSubscribe);
  for (const name of request.initialResourceVersions.keys()) names.add(name);
  return names;
}

function checkNames(request: DeltaRequest, limits: SubscriptionLimits): void {
  for (const names of [
    request.resourceNamesSubscribe,
    request.resourceNamesUnsubscribe,
    request.initialResourceVersions.keys(),
  ]) {
    for (const name of names) {
      if (name.length > limits.maxNameCharacters) {
        throw new XdsError('ERR_XDS_LIMIT', `resource name is longer than ${limits.maxNameCharacters} characters`);
      }
    }
  }
}

function checkCount(names: ReadonlySet<string>, limits: SubscriptionLimits): void {
  if (names.size > limits.maxNames) {
    throw new XdsError('ERR_XDS_LIMIT', `more than ${limits.maxNames} names subscribed for one type`);
  }
}
