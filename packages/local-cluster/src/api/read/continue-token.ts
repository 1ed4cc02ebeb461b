/** Continue tokens of paged lists: opaque text with revision and last key. In and out: text and facts. Pure. */

import { isObject } from '../json.ts';
import { badRequest } from '../status.ts';

/** Where a list goes on; revision -1 = the newest state (an inconsistent continuation). */
export interface PagePlace {
  readonly revision: number;
  /** `namespace/name` of the last object that was sent. */
  readonly after: string;
}

const maxLength = 2048;

/** The token of a place. */
export const encodeToken = (place: PagePlace): string =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: place.revision, start: place.after })).toString('base64url');

/** The place of a token; throws 400 for a foreign text. */
export function decodeToken(token: string): PagePlace {
  const invalid = (): Error =>
    badRequest(
      "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value",
    );
  if (token.length > maxLength) throw invalid();
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
  if (!isObject(value) || typeof value['rv'] !== 'number' || typeof value['start'] !== 'string') throw invalid();
  return { revision: value['rv'], after: value['start'] };
}
