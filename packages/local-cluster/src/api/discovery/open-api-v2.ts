/**
 * OpenAPI v2 without paths and definitions: kubectl asks for it where v3 does not know a kind, and goes on to say so; for a
 * missing document it stops with another text. Schemas are in v3 alone. In: nothing; out: the document. Pure.
 */

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const title = 'Kubernetes';

/** The document as JSON. */
export const openApiV2 = (version: string): object => ({ swagger: '2.0', info: { title, version }, paths: {} });

/** The document as a message `openapi.v2.Document`: swagger 1, info 2 (title 1, version 2), paths 8. */
export function openApiV2Bytes(version: string): Uint8Array {
  const text = (field: number): number => (field << 3) | WireType.LengthDelimited;
  const info = new BinaryWriter().uint32(text(1)).string(title).uint32(text(2)).string(version).finish();
  return new BinaryWriter()
    .uint32(text(1))
    .string('2.0')
    .uint32(text(2))
    .bytes(info)
    .uint32(text(8))
    .bytes(new Uint8Array())
    .finish();
}
