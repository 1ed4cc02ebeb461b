/**
 * What the backend and later decisions learn from a verified token: headers, and claims with lists (spec/waypoint.md 4.3).
 * In: a rule and a payload. Out: header edits and the claims of policies and routes. Data thread.
 */
import type { JwtRule } from '@ambit/proto/waypoint';
import { claimValues } from '../authorize/claims.ts';
import { L7Error } from '../errors.ts';
import type { HeaderList } from '../header-list.ts';
import { isHeaderName, isHeaderValue } from '../headers.ts';
import type { ParsedJwt } from './parse.ts';

/** Always lists (RFC 8693 4.2; upstream does the same with `permission`). */
const alwaysLists = ['scope', 'permission'];

/** Output side of one rule. */
export interface ClaimOutput {
  /** Names of headers that only the proxy may set, lower case. */
  readonly ownedHeaders: readonly string[];
  /** Claims as policies and routes see them. */
  claims(token: ParsedJwt): Readonly<Record<string, unknown>>;
  /** Sets the headers that the rule asks for; claims that are absent or cannot be sent set none. */
  writeHeaders(token: ParsedJwt, headers: HeaderList): void;
}

/** Compiles the output side of a rule. Throws ERR_L7_HEADER. */
export const compileClaimOutput = (rule: JwtRule): ClaimOutput => {
  const lists = [...alwaysLists, ...rule.spaceDelimited];
  const payloadHeader = rule.payloadHeader.toLowerCase();
  const claimHeaders = rule.claimHeaders.map(({ header, path }) => ({ name: header.toLowerCase(), path }));
  const ownedHeaders = [...(payloadHeader === '' ? [] : [payloadHeader]), ...claimHeaders.map(({ name }) => name)];
  const wrong = ownedHeaders.find((name) => !isHeaderName(name) || name === 'host');
  if (wrong !== undefined) throw new L7Error('ERR_L7_HEADER', `claims cannot be written to header ${wrong}`);
  return {
    ownedHeaders,
    claims: ({ payload }) => {
      const claims: Record<string, unknown> = { ...payload };
      for (const name of lists) {
        const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
        if (typeof value === 'string') claims[name] = value.split(' ').filter((part) => part !== '');
      }
      return claims;
    },
    writeHeaders: (token, headers) => {
      if (payloadHeader !== '') headers.set(payloadHeader, token.payloadText);
      for (const { name, path } of claimHeaders) {
        const value = scalarAt(token.payload, path);
        if (value !== undefined && isHeaderValue(value)) headers.set(name, value);
      }
    },
  };
};

/** Text of a string, number or boolean claim; lists and objects are not written. */
const scalarAt = (payload: unknown, path: readonly string[]): string | undefined => {
  const parent = path
    .slice(0, -1)
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined,
      payload,
    );
  const last = path.at(-1);
  if (last === undefined || typeof parent !== 'object' || parent === null) return undefined;
  if (Array.isArray((parent as Record<string, unknown>)[last])) return undefined;
  return claimValues(parent, [last])[0];
};
