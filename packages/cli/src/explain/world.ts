// In: the objects of a cluster. Out: what proxies would know of it, made by the translation of the control plane: the snapshot of node
// proxies and the resources of waypoints. Pure. Called by explain and policy commands (CLI-13: one implementation).
import { Model, type ModelOptions, modelKinds, type ObjectChange } from '@ambit/model';
import { meshConfigOptions } from '@ambit/model/mesh-config';
import { type Authorization, AuthorizationSchema } from '@ambit/proto/authorization';
import { BACKEND_TYPE_URL, FRONTEND_TYPE_URL, POLICY_TYPE_URL, ROUTE_TABLE_TYPE_URL } from '@ambit/proto/type-urls';
import { type Address, AddressSchema } from '@ambit/proto/workload';
import {
  type Backend,
  BackendSchema,
  type Frontend,
  FrontendSchema,
  type Policy,
  PolicySchema,
  type RouteTable,
  RouteTableSchema,
} from '@ambit/proto/waypoint';
import type { KubernetesObject } from '@ambit/resources';
import { createStateStore, type Snapshot } from '@ambit/state';
import { fromBinary } from '@bufbuild/protobuf';

/** What proxies know. */
export interface World {
  readonly snapshot: Snapshot;
  readonly options: ModelOptions;
  /** By `namespace/hostname`. */
  readonly frontend: (key: string) => Frontend | undefined;
  readonly routeTable: (key: string) => RouteTable | undefined;
  readonly backend: (key: string) => Backend | undefined;
  readonly policy: (key: string) => Policy | undefined;
  /** Names of the resources of a type. */
  readonly names: (typeUrl: string) => Iterable<string>;
  /** Objects that could not be used. */
  readonly problems: readonly string[];
}

/** Kinds of objects that the translation reads. */
export const worldKinds: readonly string[] = modelKinds;

/** Builds the world. `mesh` is the parsed mesh configuration. */
export function worldOf(
  objects: readonly KubernetesObject[],
  mesh: Readonly<Record<string, unknown>>,
  istioNamespace: string,
): World {
  const options = meshConfigOptions(mesh, {
    flags: {},
    clusterId: 'Kubernetes',
    revision: '',
    systemNamespace: istioNamespace,
  });
  const model = new Model(options);
  model.apply(objects.map((object): ObjectChange => ({ type: 'upsert', object })));
  const store = createStateStore();
  store.apply({
    addresses: {
      updated: [...model.addresses.all()].map(({ name, bytes }) => ({
        name,
        resource: fromBinary(AddressSchema, bytes) satisfies Address,
      })),
      removed: [],
    },
    authorizations: {
      updated: [...model.authorizations.values()].map(({ name, bytes }) => ({
        name,
        resource: fromBinary(AuthorizationSchema, bytes) satisfies Authorization,
      })),
      removed: [],
    },
  });
  const bytesOf = (typeUrl: string, name: string): Uint8Array | undefined => model.config.get(typeUrl, name)?.bytes;
  const lookup =
    <T>(typeUrl: string, decode: (bytes: Uint8Array) => T) =>
    (key: string): T | undefined => {
      const bytes = bytesOf(typeUrl, key);
      return bytes === undefined ? undefined : decode(bytes);
    };
  return {
    snapshot: store.snapshot(),
    options,
    frontend: lookup(FRONTEND_TYPE_URL, (bytes) => fromBinary(FrontendSchema, bytes)),
    routeTable: lookup(ROUTE_TABLE_TYPE_URL, (bytes) => fromBinary(RouteTableSchema, bytes)),
    backend: lookup(BACKEND_TYPE_URL, (bytes) => fromBinary(BackendSchema, bytes)),
    policy: lookup(POLICY_TYPE_URL, (bytes) => fromBinary(PolicySchema, bytes)),
    names: (typeUrl) => model.config.names(typeUrl),
    problems: model.problems().map(({ subject, message }) => `${subject}: ${message}`),
  };
}
