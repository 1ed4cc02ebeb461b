// In: shared resources and a nonce. Out: the bytes of one DeltaDiscoveryResponse. Called by: connection.ts. Main thread.
// A resource is framed once and its frame shared by all clients; a response is a concatenation, never a re-encoding.
import type { XdsResource } from './resource-source.ts';

/** A response before it has a nonce. */
export interface PendingResponse {
  readonly typeUrl: string;
  readonly resources: readonly XdsResource[];
  readonly removed: readonly string[];
  /** Whether the aliases of the resources are sent. */
  readonly withAliases: boolean;
  /** True when the same object is sent to many clients: its resources are put together once. */
  readonly isShared?: boolean;
}

/** Fields of DeltaDiscoveryResponse that are written; all of them are length-delimited. */
const SYSTEM_VERSION_TAG = (1 << 3) | 2;
const RESOURCES_TAG = (2 << 3) | 2;
const RESPONSE_TYPE_TAG = (4 << 3) | 2;
const NONCE_TAG = (5 << 3) | 2;
const REMOVED_TAG = (6 << 3) | 2;

const plainFrames = new WeakMap<XdsResource, Buffer>();
const aliasFrames = new WeakMap<XdsResource, Buffer>();

/** What is equal in the responses that carry the same shared resources. */
const sharedBodies = new WeakMap<PendingResponse, Buffer>();

/** Encodes a response. Protobuf allows fields in any order, so the shared frames simply follow the head. */
export function encodeResponse(pending: PendingResponse, nonce: string, systemVersionInfo: string): Buffer {
  const head = encodeHead(nonce, systemVersionInfo);
  if (pending.isShared !== true) return Buffer.concat([head, ...bodyParts(pending)]);
  let body = sharedBodies.get(pending);
  if (body === undefined) {
    body = Buffer.concat(bodyParts(pending));
    sharedBodies.set(pending, body);
  }
  return Buffer.concat([head, body]);
}

/** What differs between clients, by hand: with many clients it is most of what is encoded for a push. */
function encodeHead(nonce: string, systemVersionInfo: string): Buffer {
  const head = Buffer.allocUnsafe(textSize(nonce) + textSize(systemVersionInfo));
  putText(head, putText(head, 0, SYSTEM_VERSION_TAG, systemVersionInfo), NONCE_TAG, nonce);
  return head;
}

function bodyParts({ typeUrl, resources, removed, withAliases }: PendingResponse): Buffer[] {
  const names = Buffer.allocUnsafe(
    removed.reduce((size, name) => size + fieldSize(Buffer.byteLength(name)), textSize(typeUrl)),
  );
  let at = putText(names, 0, RESPONSE_TYPE_TAG, typeUrl);
  for (const name of removed) at = putField(names, at, REMOVED_TAG, name);
  return [names, ...resources.map((resource) => frameOf(resource, typeUrl, withAliases))];
}

function frameOf(resource: XdsResource, typeUrl: string, withAliases: boolean): Buffer {
  const { name, version, bytes, aliases = [] } = resource;
  const useAliases = withAliases && aliases.length > 0;
  const frames = useAliases ? aliasFrames : plainFrames;
  const known = frames.get(resource);
  if (known !== undefined) return known;
  const frame = encodeFrame(name, version, useAliases ? aliases : [], resource.contentTypeUrl ?? typeUrl, bytes);
  frames.set(resource, frame);
  return frame;
}

/** Fields of Resource and of google.protobuf.Any that are written; all of them are length-delimited. */
const VERSION_TAG = (1 << 3) | 2;
const RESOURCE_TAG = (2 << 3) | 2;
const NAME_TAG = (3 << 3) | 2;
const ALIASES_TAG = (4 << 3) | 2;
const TYPE_URL_TAG = (1 << 3) | 2;
const VALUE_TAG = (2 << 3) | 2;

/**
 * One resource as field of the response, written by hand: a hundred thousand of them stand between a restarted control plane and
 * its first answer, and the general encoder needs about three times as long (20 us against 7 us each, 50,000 resources of 300
 * bytes, November 2026, a machine busy with other work).
 */
function encodeFrame(
  name: string,
  version: string,
  aliases: readonly string[],
  typeUrl: string,
  value: Uint8Array,
): Buffer {
  const typeBytes = Buffer.byteLength(typeUrl);
  const anyBytes = fieldSize(typeBytes) + (value.length === 0 ? 0 : fieldSize(value.length));
  let messageBytes = textSize(version) + fieldSize(anyBytes) + textSize(name);
  for (const alias of aliases) messageBytes += fieldSize(Buffer.byteLength(alias));
  const frame = Buffer.allocUnsafe(fieldSize(messageBytes));
  let at = putHead(frame, 0, RESOURCES_TAG, messageBytes);
  at = putText(frame, at, VERSION_TAG, version);
  at = putHead(frame, at, RESOURCE_TAG, anyBytes);
  at = putField(frame, at, TYPE_URL_TAG, typeUrl);
  if (value.length > 0) {
    at = putHead(frame, at, VALUE_TAG, value.length);
    frame.set(value, at);
    at += value.length;
  }
  at = putText(frame, at, NAME_TAG, name);
  for (const alias of aliases) at = putField(frame, at, ALIASES_TAG, alias);
  return frame;
}

/** Tag (one byte), length, content. */
const fieldSize = (contentBytes: number): number => 1 + varintSize(contentBytes) + contentBytes;

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Size of a field that is left out when empty. */
const textSize = (text: string): number => (text === '' ? 0 : fieldSize(Buffer.byteLength(text)));

/** Writes a field that is left out when empty; gives the place behind it. */
const putText = (target: Buffer, at: number, tag: number, text: string): number =>
  text === '' ? at : putField(target, at, tag, text);

/** Writes one element of a repeated field, an empty one too; gives the place behind it. */
function putField(target: Buffer, at: number, tag: number, text: string): number {
  const start = putHead(target, at, tag, Buffer.byteLength(text));
  return start + target.write(text, start);
}

/** Writes tag and length; gives the place of the content. */
function putHead(target: Buffer, at: number, tag: number, length: number): number {
  let place = at;
  target[place++] = tag;
  let rest = length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) target[place++] = (rest & 0x7f) | 0x80;
  target[place++] = rest;
  return place;
}
