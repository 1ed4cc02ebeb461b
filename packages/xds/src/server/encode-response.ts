// In: shared resources and a nonce. Out: the bytes of one DeltaDiscoveryResponse. Called by: connection.ts. Main thread.
// A resource is framed once and its frame shared by all clients; a response is a concatenation, never a re-encoding.
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema, ResourceSchema } from '@ambit/proto/discovery';
import type { XdsResource } from './resource-source.ts';

/** A response before it has a nonce. */
export interface PendingResponse {
  readonly typeUrl: string;
  readonly resources: readonly XdsResource[];
  readonly removed: readonly string[];
  /** Whether the aliases of the resources are sent. */
  readonly withAliases: boolean;
}

/** Field 2 of DeltaDiscoveryResponse, length-delimited. */
const RESOURCES_TAG = (2 << 3) | 2;

const plainFrames = new WeakMap<XdsResource, Buffer>();
const aliasFrames = new WeakMap<XdsResource, Buffer>();

/** Encodes a response. Protobuf allows fields in any order, so the shared frames simply follow the head. */
export function encodeResponse(pending: PendingResponse, nonce: string, systemVersionInfo: string): Buffer {
  const head = toBinary(
    DeltaDiscoveryResponseSchema,
    create(DeltaDiscoveryResponseSchema, {
      typeUrl: pending.typeUrl,
      nonce,
      systemVersionInfo,
      removedResources: [...pending.removed],
    }),
  );
  return Buffer.concat([
    head,
    ...pending.resources.map((resource) => frameOf(resource, pending.typeUrl, pending.withAliases)),
  ]);
}

function frameOf(resource: XdsResource, typeUrl: string, withAliases: boolean): Buffer {
  const { name, version, bytes, aliases = [] } = resource;
  const useAliases = withAliases && aliases.length > 0;
  const frames = useAliases ? aliasFrames : plainFrames;
  const known = frames.get(resource);
  if (known !== undefined) return known;
  const message = toBinary(
    ResourceSchema,
    create(ResourceSchema, {
      name,
      version,
      aliases: useAliases ? [...aliases] : [],
      resource: { typeUrl: resource.contentTypeUrl ?? typeUrl, value: bytes },
    }),
  );
  const frame = Buffer.concat([Buffer.from([RESOURCES_TAG, ...varint(message.length)]), message]);
  frames.set(resource, frame);
  return frame;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}
