// Texts of policies -> match messages (spec control-plane 3.2). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AddressSchema, StringMatchSchema } from '@ambit/proto/authorization';
import { ipPrefix, isDecimal } from '../../ip.ts';

/** A match on a text as plain data. */
export type StringMatchInit = Exclude<MessageInitShape<typeof StringMatchSchema>, { $typeName: string }>;
/** An address block as plain data. */
export type AddressInit = Exclude<MessageInitShape<typeof AddressSchema>, { $typeName: string }>;

/** `*` is presence, `*x` a suffix, `x*` a prefix, anything else exact. */
export function stringMatch(text: string): StringMatchInit {
  if (text === '*') return PRESENCE;
  if (text.startsWith('*')) return { matchType: { case: 'suffix', value: text.slice(1) } };
  if (text.endsWith('*')) return { matchType: { case: 'prefix', value: text.slice(0, -1) } };
  return { matchType: { case: 'exact', value: text } };
}

/** Matches any text that is there at all. */
export const PRESENCE: StringMatchInit = { matchType: { case: 'presence', value: {} } };

/** Ports as texts -> numbers; what is not a port is skipped. */
export function ports(texts: readonly string[]): number[] {
  return texts.filter((text) => isDecimal(text, 5) && Number(text) <= 65535).map(Number);
}

/** Address blocks; host bits stay as written, what cannot be read is skipped. */
export function blocks(texts: readonly string[]): AddressInit[] {
  return texts
    .map(ipPrefix)
    .filter((prefix) => prefix !== undefined)
    .map(({ bytes, length }) => ({ address: bytes, length }));
}
