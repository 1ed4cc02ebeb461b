// In: requests of debug tools (`istio.io/debug...`) on delta and on state-of-the-world streams. Out: one answer each, never
// recorded as a subscription. Called by: connection.ts (delta) and tool-streams.ts (state of the world). Main thread.
// Source: spec control-plane 4.1, 4.4 S2, 9.2.
import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema, DiscoveryResponseSchema } from '@ambit/proto/discovery';
import { DEBUG_TYPE_PREFIX } from '@ambit/proto/type-urls';
import type { ClientIdentity } from './client-info.ts';
import type { XdsNode } from './node.ts';

/** A question of a debug tool. */
export interface DebugQuestion {
  /** `istio.io/debug` or `istio.io/debug/<command>`. */
  readonly typeUrl: string;
  readonly names: readonly string[];
  readonly node: XdsNode;
  /** Undefined on a port without authentication. */
  readonly identity: ClientIdentity | undefined;
}

/** One part of an answer. */
export interface DebugResource {
  readonly name: string;
  /** Type URL inside the Any. */
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
}

/** What a tool is told. */
export interface DebugAnswer {
  readonly resources: readonly DebugResource[];
  /** Who answers, for `control_plane.identifier`. */
  readonly identifier: string;
}

/** Answers a tool; throws XdsError to refuse. */
export type AnswerDebug = (question: DebugQuestion) => Promise<DebugAnswer> | DebugAnswer;

/** True for type URLs that are questions, not resources. */
export function isDebugType(typeUrl: string): boolean {
  return typeUrl === DEBUG_TYPE_PREFIX || typeUrl.startsWith(`${DEBUG_TYPE_PREFIX}/`);
}

/** An encoded answer, and the nonce by which its acknowledgement is known. */
export interface EncodedAnswer {
  readonly bytes: Buffer;
  readonly nonce: string;
}

/** The answer as a message of a delta stream. */
export function encodeDeltaAnswer(typeUrl: string, answer: DebugAnswer): EncodedAnswer {
  const nonce = randomUUID();
  const resources = answer.resources.map(({ name, typeUrl: type, bytes }) => ({
    name,
    resource: { typeUrl: type, value: bytes },
  }));
  const message = { typeUrl, nonce, resources, controlPlane: { identifier: answer.identifier } };
  return {
    nonce,
    bytes: bufferOf(toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, message))),
  };
}

/** The answer as a message of a state-of-the-world stream. */
export function encodeAnswer(typeUrl: string, answer: DebugAnswer): EncodedAnswer {
  const resources = answer.resources.map(({ typeUrl: type, bytes }) => ({ typeUrl: type, value: bytes }));
  const nonce = randomUUID();
  const message = { typeUrl, nonce, versionInfo: nonce, resources, controlPlane: { identifier: answer.identifier } };
  return { nonce, bytes: bufferOf(toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, message))) };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
