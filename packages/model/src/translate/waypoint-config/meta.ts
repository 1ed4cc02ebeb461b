// The `meta` of waypoint resources: which user object is behind them. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MetaSchema } from '@ambit/proto/waypoint';
import type { KubernetesObject } from '@ambit/resources';

/** Meta of an object. */
export function metaOf(kind: string, object: KubernetesObject): MessageInitShape<typeof MetaSchema> {
  const { namespace = '', name = '', generation = 0, creationTimestamp } = object.metadata ?? {};
  const created = creationTimestamp === undefined ? Number.NaN : Date.parse(creationTimestamp);
  return {
    kind,
    namespace,
    name,
    generation: BigInt(generation),
    createdUnixMs: Number.isNaN(created) ? 0n : BigInt(created),
  };
}
