/**
 * Type URL -> where its resources go: the only wiring between xDS and the stores (path 3, step 4). Main thread.
 * One bad resource never spoils the others. A bad update keeps the last good version, except policies: those are stored
 * as they came, and the data threads deny what they cannot compile (spec/waypoint.md 2.4, 4.2).
 */
import { create, type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { compileAuthorizer, compileRouteTable } from '@ambit/l7';
import {
  ADDRESS_TYPE_URL,
  BACKEND_TYPE_URL,
  FRONTEND_TYPE_URL,
  LISTENER_TYPE_URL,
  POLICY_TYPE_URL,
  PROXY_CONFIG_TYPE_URL,
  ROUTE_TABLE_TYPE_URL,
  SECRET_TYPE_URL,
} from '@ambit/proto/type-urls';
import {
  BackendSchema,
  ExtAuthzSchema,
  FrontendSchema,
  ListenerSchema,
  type Policy,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
  SecretSchema,
} from '@ambit/proto/waypoint';
import { type Address, AddressSchema } from '@ambit/proto/workload';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { StateDiff, StateStore } from '@ambit/state';
import { anyHandler, type AnyResourceHandler, type Reject } from '@ambit/xds';
import {
  applyConfigDiff,
  type ConfigDiff,
  type ConfigKind,
  type ConfigMessages,
  type ConfigSnapshot,
  emptyConfig,
} from './config-store.ts';

/** Where accepted changes go. */
export interface UpdateSinks {
  readonly onConfig: (diff: ConfigDiff) => void;
  readonly onState: (diff: StateDiff) => void;
}

/** The main thread's copy of everything, and its handlers. */
export interface Updates {
  /** In the order in which the types are subscribed: T1 to T6, then W1. */
  readonly handlers: readonly AnyResourceHandler[];
  /** T7: only what is asked for by name. */
  readonly secrets: AnyResourceHandler;
  /** For new data threads and the config dump. */
  config(): ConfigSnapshot;
}

/** Makes the handlers over a state store. */
export const createUpdates = (store: StateStore, sinks: UpdateSinks, log: Logger): Updates => {
  let config = emptyConfig;
  const handler = <Desc extends DescMessage, Kind extends ConfigKind>(
    typeUrl: string,
    schema: Desc,
    kind: Kind,
    check: (
      message: ConfigMessages[Kind],
      name: string,
    ) => { readonly store: boolean; readonly problem: string | undefined },
  ): AnyResourceHandler =>
    anyHandler<MessageShape<Desc>>({
      typeUrl,
      decode: (bytes) => fromBinary(schema, bytes),
      apply: ({ updated, removed }) => {
        const rejects: Reject[] = [];
        const upsert: [string, ConfigMessages[Kind]][] = [];
        for (const { name, resource } of updated) {
          const message = resource as unknown as ConfigMessages[Kind];
          const verdict = check(message, name);
          if (verdict.problem !== undefined) rejects.push({ name, reason: verdict.problem });
          if (verdict.store) upsert.push([name, message]);
        }
        const diff = { kinds: { [kind]: { upsert, remove: removed } } } as ConfigDiff;
        config = applyConfigDiff(config, diff);
        sinks.onConfig(diff);
        return rejects;
      },
    });
  const accept = () => ({ store: true, problem: undefined });
  const handlers = [
    handler(PROXY_CONFIG_TYPE_URL, ProxyConfigSchema, 'proxy', accept),
    handler(POLICY_TYPE_URL, PolicySchema, 'policy', (policy) => ({ store: true, problem: problemOfPolicy(policy) })),
    handler(BACKEND_TYPE_URL, BackendSchema, 'backend', accept),
    handler(ROUTE_TABLE_TYPE_URL, RouteTableSchema, 'routeTable', (table) => {
      const problem = problemOf(() => compileRouteTable(table));
      return { store: problem === undefined, problem };
    }),
    handler(FRONTEND_TYPE_URL, FrontendSchema, 'frontend', accept),
    handler(LISTENER_TYPE_URL, ListenerSchema, 'listener', accept),
    addressHandler(store, sinks, log),
  ];
  const secrets = handler(SECRET_TYPE_URL, SecretSchema, 'secret', accept);
  return { handlers, secrets, config: () => config };
};

const addressHandler = (store: StateStore, sinks: UpdateSinks, log: Logger): AnyResourceHandler =>
  anyHandler<Address>({
    typeUrl: ADDRESS_TYPE_URL,
    decode: (bytes) => fromBinary(AddressSchema, bytes),
    apply: ({ updated, removed }) => {
      const { diff, rejects, warnings } = store.apply({ addresses: { updated, removed } });
      for (const warning of warnings) log.warn('address accepted in part', { warning });
      sinks.onState(diff);
      return rejects;
    },
  });

const problemOf = (compile: () => unknown): string | undefined => {
  try {
    compile();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
};

const problemOfPolicy = (policy: Policy): string | undefined => {
  const refs = [{ policy: 'it', phase: 0, ports: [], failClosedIfMissing: true }] as never;
  // Which services exist is not known here: a policy may come before its provider.
  const provider = () => create(ExtAuthzSchema, { backend: 'any' });
  const { problems } = compileAuthorizer({ refs, lookup: () => policy, protocol: 'http', port: 0, provider });
  return problems[0]?.replace('it: ', '');
};
