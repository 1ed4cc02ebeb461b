// Encoding of waypoint resources. In: a schema and plain data. Out: a resource with its type URL. Pure.
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { typeUrlOf } from '@ambit/proto/type-urls';
import { type Resource, versionOf } from '../../resource.ts';

/** A waypoint resource. Two units may make the same one; its content depends only on its name. */
export interface ConfigResource extends Resource {
  readonly typeUrl: string;
}

/** A waypoint may see this resource. For addresses the name is a service or workload. */
export type Need = readonly [waypoint: string, typeUrl: string, name: string];

/** Encodes one resource. */
export function configResource<S extends DescMessage>(
  schema: S,
  name: string,
  init: MessageInitShape<S>,
): ConfigResource {
  const bytes = toBinary(schema, create(schema, init));
  return { typeUrl: typeUrlOf(schema.typeName), name, bytes, version: versionOf(bytes) };
}
