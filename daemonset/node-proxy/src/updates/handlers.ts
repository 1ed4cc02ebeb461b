/**
 * xDS resources in; the store changed and one diff published. Path 3, step 4: the only wiring between xds and state.
 *
 * `app.ts` passes the handlers to the xDS client. Runs on the main thread.
 */
import { type Authorization, AuthorizationSchema } from '@ambit/proto/authorization';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/proto/type-urls';
import { AddressSchema } from '@ambit/proto/workload';
import type { Logger } from '@ambit/runtime/log';
import {
  type StateDiff,
  type StateStore,
  type StateUpdate,
  type TranslatedLater,
  translateAddress,
} from '@ambit/state';
import { type AnyResourceHandler, anyHandler, type Reject } from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';

/** Where batches go. */
export interface HandlerOptions {
  readonly store: StateStore;
  /** Called with each diff, after the store changed. */
  readonly publish: (diff: StateDiff) => void;
  /** Counts a response: type URL and payload bytes. */
  readonly onResponse: (typeUrl: string, bytes: number) => void;
  readonly log: Logger;
}

/** Handlers of the two types the node proxy subscribes to, in subscription order. */
export function createHandlers(options: HandlerOptions): {
  address: AnyResourceHandler;
  authorization: AnyResourceHandler;
} {
  const counted = new Map<string, number>();
  const measure = (typeUrl: string, bytes: Uint8Array): void => {
    counted.set(typeUrl, (counted.get(typeUrl) ?? 0) + bytes.length);
  };
  const apply = (typeUrl: string, update: StateUpdate): readonly Reject[] => {
    const { diff, rejects, warnings } = options.store.apply(update);
    options.onResponse(typeUrl, counted.get(typeUrl) ?? 0);
    counted.delete(typeUrl);
    for (const warning of warnings) options.log.warn('part of a resource was ignored', { warning });
    for (const { name, reason } of rejects) options.log.warn('resource was rejected', { name, reason });
    options.publish(diff);
    return rejects;
  };
  return {
    address: anyHandler<TranslatedLater>({
      typeUrl: ADDRESS_TYPE_URL,
      decode(bytes) {
        measure(ADDRESS_TYPE_URL, bytes);
        // By the store, in its turn: of a hundred thousand messages no two are there at a time.
        return () => translateAddress(fromBinary(AddressSchema, bytes));
      },
      apply: ({ updated, removed }) => apply(ADDRESS_TYPE_URL, { addresses: { updated, removed } }),
    }),
    authorization: anyHandler<Authorization>({
      typeUrl: AUTHORIZATION_TYPE_URL,
      decode(bytes) {
        measure(AUTHORIZATION_TYPE_URL, bytes);
        return fromBinary(AuthorizationSchema, bytes);
      },
      apply: ({ updated, removed }) => apply(AUTHORIZATION_TYPE_URL, { authorizations: { updated, removed } }),
    }),
  };
}
