// What tests of packages that send these messages share.
import { type DescMessage, type MessageInitShape, create, toBinary } from '@bufbuild/protobuf';

/** The binary form of a message written as a literal. */
export function binaryOf<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, init));
}
