// In: requests of one client, and which names changed. Out: what to answer and what to push. One per stream.
// Called by: connection.ts. No I/O: tests and the golden transcripts hold dialogues with it. Main thread.
// Source: spec control-plane 4.4 (rows S and G).
import { DEBUG_TYPE_PREFIX, HEALTH_TYPE_URL } from '@ambit/proto/type-urls';
import { XdsError } from '../errors.ts';
import type { ClientInfo } from './client-info.ts';
import type { DeltaRequest } from './delta-request.ts';
import type { PendingResponse } from './encode-response.ts';
import type { ClientScope, ResourceSource, XdsResource } from './resource-source.ts';
import {
  type RequestedChange,
  type SubscriptionLimits,
  type TypeState,
  changeType,
  forgetBroughtBy,
  openType,
} from './subscription.ts';

/** What a request means. */
export type RequestOutcome =
  | { readonly kind: 'respond'; readonly response: PendingResponse }
  | { readonly kind: 'acked' | 'stale' | 'ignored' }
  | { readonly kind: 'nacked'; readonly message: string };

/** Which names of a type changed; `forced` = send everything again where the source wants that. */
export interface PushedChange {
  readonly names: ReadonlySet<string> | 'all';
  readonly forced: boolean;
}

/** The protocol state of one client. */
export interface DeltaSession {
  /** Types with their state, for the status view. */
  readonly types: ReadonlyMap<string, TypeState>;
  /** Takes a request; throws XdsError when the stream must end. */
  request(message: DeltaRequest): RequestOutcome;
  /** Builds what one type has to push; undefined = nothing. */
  push(typeUrl: string, change: PushedChange): PendingResponse | undefined;
  /** Records that a response left with this nonce. */
  markSent(response: PendingResponse, nonce: string, generation: number, nowMs: number): void;
}

/** Makes the session of a client. `client` may not be known before the first request: it is a function. */
export function createDeltaSession(options: {
  sources: ReadonlyMap<string, ResourceSource>;
  client: () => ClientInfo;
  limits: SubscriptionLimits;
}): DeltaSession {
  const { sources, limits } = options;
  const types = new Map<string, TypeState>();

  const first = (typeUrl: string, message: DeltaRequest): RequestOutcome => {
    const source = sources.get(typeUrl);
    const client = options.client();
    if (source === undefined) throw unknownType(typeUrl, client);
    const { state, change } = openType(source, message, source.scope?.(client) !== undefined, limits);
    types.set(typeUrl, state);
    return { kind: 'respond', response: answer(state, change, client) };
  };

  return {
    types,
    request(message) {
      const { typeUrl, responseNonce } = message;
      if (typeUrl === HEALTH_TYPE_URL || typeUrl.startsWith(DEBUG_TYPE_PREFIX)) return { kind: 'ignored' };
      const state = types.get(typeUrl);
      if (message.errorDetail !== undefined) {
        if (state === undefined) return { kind: 'ignored' };
        state.lastError = message.errorDetail.message.slice(0, MAX_ERROR_CHARACTERS);
        state.nacks += 1;
        return { kind: 'nacked', message: state.lastError };
      }
      if (state === undefined) return first(typeUrl, message);
      if (responseNonce !== '' && responseNonce !== state.lastNonce) return { kind: 'stale' };
      const client = options.client();
      const change = changeType(state, message, remembersNames(state, client), limits);
      if (responseNonce !== '') {
        state.ackedNonce = responseNonce;
        state.ackedGeneration = state.sentGeneration;
        state.lastError = undefined;
      }
      if (change === undefined) return { kind: 'acked' };
      return { kind: 'respond', response: answer(state, change, client) };
    },
    push(typeUrl, change) {
      const state = types.get(typeUrl);
      if (state === undefined) return undefined;
      const response = sharedPushOf(state, change, options.client()) ?? pushOf(state, change, options.client());
      return response.resources.length === 0 && response.removed.length === 0 ? undefined : response;
    },
    markSent(response, nonce, generation, nowMs) {
      const state = types.get(response.typeUrl);
      if (state === undefined) return;
      state.lastNonce = nonce;
      state.sentGeneration = generation;
      state.sentAtMs = nowMs;
      if (state.sent === undefined) return;
      for (const resource of response.resources) state.sent.set(resource.name, resource.version);
      for (const name of response.removed) state.sent.delete(name);
    },
  };
}

/** Upstream hands every unknown type to a generator for other control planes; its refusals are what clients see (spec 4.8). */
function unknownType(typeUrl: string, { identity }: ClientInfo): XdsError {
  const hint = `no resources of type ${typeUrl} here`;
  return identity === undefined
    ? new XdsError('ERR_XDS_UNAUTHENTICATED', 'the api generator requires an authenticated control-plane identity', {
        hint,
      })
    : new XdsError(
        'ERR_XDS_PERMISSION_DENIED',
        'the api generator is restricted to the control-plane (root) namespace',
        { hint },
      );
}

const MAX_ERROR_CHARACTERS = 8192;

/** A plain wildcard follows no names (row S8); a policy wildcard neither, since everything is sent anyway. */
function remembersNames(state: TypeState, client: ClientInfo): boolean {
  return !state.isWildcard || state.source.answersNamed?.(client) === true;
}

function answer(state: TypeState, change: RequestedChange, client: ClientInfo): PendingResponse {
  const isFirst = state.lastNonce === '';
  const isNamed = !state.isWildcard || (!isFirst && state.source.answersNamed?.(client) === true);
  return isNamed ? answerNamed(state, change, client) : answerAll(state, change, client);
}

/** Row G1 and G7: everything visible, except what the client has in the same version. */
function answerAll(state: TypeState, change: RequestedChange, client: ClientInfo): PendingResponse {
  const { source } = state;
  const scope = source.scope?.(client);
  const resources: XdsResource[] = [];
  for (const name of source.names()) {
    if (scope?.isPushed(name) === false) continue;
    const resource = source.get(name);
    if (resource === undefined) continue;
    if (isSameVersion(resource, change.initialVersions)) state.sent?.set(name, resource.version);
    else resources.push(resource);
  }
  const removed: string[] = [];
  for (const name of change.asked) {
    if (visible(source, scope, name) === undefined && source.isKnown?.(name) !== true) removed.push(name);
  }
  return { typeUrl: source.typeUrl, resources, removed, withAliases: false };
}

/** Rows G3, G5, G6, S10: what stands behind the keys of this request. */
function answerNamed(state: TypeState, change: RequestedChange, client: ClientInfo): PendingResponse {
  const { source } = state;
  const scope = source.scope?.(client);
  const found = new Map<string, XdsResource>();
  const removed = new Set<string>();
  for (const key of change.asked) {
    const resources = behind(source, scope, key, client);
    if (resources.length === 0 && source.isKnown?.(key) !== true) removed.add(key);
    for (const resource of resources) {
      follow(state, resource.name, key);
      found.set(resource.name, resource);
    }
  }
  // A name that is no key by itself but another name of what is sent, such as a block of addresses, is not gone.
  for (const { aliases = [] } of found.values()) for (const alias of aliases) removed.delete(alias);
  for (const resource of unaskedNew(state, scope, client)) found.set(resource.name, resource);
  for (const name of [...change.dropped, ...forgetBroughtBy(state, change.dropped)]) {
    if (!found.has(name)) removed.add(name);
  }
  const resources: XdsResource[] = [];
  for (const resource of found.values()) {
    if (isSameVersion(resource, change.initialVersions)) state.sent?.set(resource.name, resource.version);
    else resources.push(resource);
  }
  return { typeUrl: source.typeUrl, resources, removed: [...removed], withAliases: true };
}

/** By change: what it means for a client that follows everything and sees everything. Most clients are of that kind. */
const sharedPushes = new WeakMap<PushedChange, PendingResponse>();

/** One response for all clients for which nothing is remembered; undefined for others, and for forced and unlimited changes. */
function sharedPushOf(state: TypeState, change: PushedChange, client: ClientInfo): PendingResponse | undefined {
  const { source } = state;
  const isPlain = state.isWildcard && state.sent === undefined && state.names.size === 0;
  if (!isPlain || change.names === 'all' || change.forced || source.scope?.(client) !== undefined) return undefined;
  const known = sharedPushes.get(change);
  // Clients have their turns one after another, and what there is may have changed since the first of them had its.
  if (known !== undefined && isStillTrue(known, source)) return known;
  const response = { ...pushOf(state, change, client), isShared: true };
  sharedPushes.set(change, response);
  return response;
}

const isStillTrue = ({ resources, removed }: PendingResponse, source: ResourceSource): boolean =>
  resources.every((resource) => source.get(resource.name) === resource) &&
  removed.every((name) => source.get(name) === undefined);

/** Rows G2, G4, G7, G8: what a change means for this client. */
function pushOf(state: TypeState, change: PushedChange, client: ClientInfo): PendingResponse {
  const { source } = state;
  const scope = source.scope?.(client);
  const isResend = change.forced && source.resendOnForcedPush === true;
  const names = change.names === 'all' || isResend ? everyName(state) : change.names;
  const found = new Map<string, XdsResource>();
  const removed = new Set<string>();
  if (state.isWildcard) pushChanged(state, scope, names, isResend, found, removed);
  if (state.names.size > 0) pushFollowed(state, scope, names, client, found, removed);
  if (!state.isWildcard) for (const resource of unaskedNew(state, scope, client)) found.set(resource.name, resource);
  for (const name of found.keys()) removed.delete(name);
  const withAliases = !state.isWildcard || state.names.size > 0;
  return { typeUrl: source.typeUrl, resources: [...found.values()], removed: [...removed], withAliases };
}

function pushChanged(
  state: TypeState,
  scope: ClientScope | undefined,
  names: Iterable<string>,
  isResend: boolean,
  found: Map<string, XdsResource>,
  removed: Set<string>,
): void {
  for (const name of names) {
    const resource = visible(state.source, scope, name);
    if (resource !== undefined) {
      const isHeld = state.sent?.get(name) === resource.version && resource.version !== '';
      if (!isHeld || isResend) found.set(name, resource);
    } else if (state.sent === undefined || state.sent.has(name)) removed.add(name);
  }
}

function pushFollowed(
  state: TypeState,
  scope: ClientScope | undefined,
  names: Iterable<string>,
  client: ClientInfo,
  found: Map<string, XdsResource>,
  removed: Set<string>,
): void {
  for (const name of names) {
    if (!state.names.has(name)) continue;
    const resources = behind(state.source, scope, name, client);
    if (resources.length === 0 && state.sent?.has(name) !== false) removed.add(name);
    for (const resource of resources) {
      follow(state, resource.name, name);
      found.set(resource.name, resource);
    }
  }
}

/** All names that exist or that the client was sent. */
function everyName(state: TypeState): Set<string> {
  return new Set([...state.source.names(), ...(state.sent?.keys() ?? [])]);
}

function visible(source: ResourceSource, scope: ClientScope | undefined, name: string): XdsResource | undefined {
  return scope?.isPushed(name) === false ? undefined : source.get(name);
}

/** The readable resources behind a key. */
function behind(
  source: ResourceSource,
  scope: ClientScope | undefined,
  key: string,
  client: ClientInfo,
): XdsResource[] {
  const resources: XdsResource[] = [];
  for (const name of source.lookup === undefined ? [key] : source.lookup(key, client)) {
    if (scope?.isReadable?.(name) === false) continue;
    const resource = source.get(name);
    if (resource !== undefined) resources.push(resource);
  }
  return resources;
}

/** Remembers a returned name (row G6) and the key that brought it. */
function follow(state: TypeState, name: string, key: string): void {
  if (name === key) {
    state.names.add(name);
    return;
  }
  const keys = state.broughtBy.get(name);
  if (keys !== undefined) keys.add(key);
  else if (!state.names.has(name)) {
    state.names.add(name);
    state.broughtBy.set(name, new Set([key]));
  }
}

/** What an on-demand client gets unasked and does not follow yet. */
function unaskedNew(state: TypeState, scope: ClientScope | undefined, client: ClientInfo): XdsResource[] {
  const resources: XdsResource[] = [];
  for (const name of state.source.unasked?.(client) ?? []) {
    if (state.names.has(name) || scope?.isReadable?.(name) === false) continue;
    const resource = state.source.get(name);
    if (resource === undefined) continue;
    state.names.add(name);
    resources.push(resource);
  }
  return resources;
}

function isSameVersion(resource: XdsResource, versions: ReadonlyMap<string, string>): boolean {
  return resource.version !== '' && versions.get(resource.name) === resource.version;
}
