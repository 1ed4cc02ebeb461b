/**
 * Header operations of routes: remove, then set, then add (spec/waypoint.md 3.5, 3.7), and removal of hop-by-hop fields.
 * In: HeaderOps of the configuration. Out: a function that edits a HeaderList. Compiled once, applied on the data thread.
 */
import type { HeaderOps } from '@ambit/proto/waypoint';
import { L7Error } from './errors.ts';
import type { HeaderList } from './header-list.ts';

/** Facts that `%...%` operators in header values may name; an operator without value prints `-`. */
export type OperatorValues = (operator: string) => string | undefined;

/** Edits headers. A host rewrite is returned, not applied: the caller owns `:authority`. */
export type HeaderEdit = (headers: HeaderList, values: OperatorValues) => { readonly host: string | undefined };

const nothing = { host: undefined };

/** Edit that changes nothing. */
export const noHeaderEdit: HeaderEdit = () => nothing;

/** Compiles header operations; throws ERR_L7_HEADER for a name or value that cannot be sent. */
export const compileHeaderOps = (ops: HeaderOps | undefined): HeaderEdit => {
  if (ops === undefined) return noHeaderEdit;
  const remove = new Set(ops.remove.map((name) => name.toLowerCase()).filter((name) => !isProtected(name)));
  const set = compileValues(ops.set);
  const add = compileValues(ops.add);
  const hostValue = set.find(([name]) => isHost(name))?.[1];
  const plainSet = set.filter(([name]) => !isProtected(name));
  const plainAdd = add.filter(([name]) => !isProtected(name));
  if (remove.size + plainSet.length + plainAdd.length === 0 && hostValue === undefined) return noHeaderEdit;
  return (headers, values) => {
    if (remove.size > 0) headers.removeIf((name) => remove.has(name));
    for (const [name, value] of plainSet) headers.set(name, value(values));
    for (const [name, value] of plainAdd) headers.append(name, value(values));
    return hostValue === undefined ? nothing : { host: hostValue(values) };
  };
};

const isHost = (name: string): boolean => name === 'host' || name === ':authority';
const isProtected = (name: string): boolean => isHost(name) || name.startsWith(':');

type Value = (values: OperatorValues) => string;

const compileValues = (entries: Readonly<Record<string, string>>): (readonly [string, Value])[] =>
  Object.entries(entries).map(([name, value]) => {
    const lower = name.toLowerCase();
    if (!isToken(lower.startsWith(':') ? lower.slice(1) : lower) || hasLineBreak(value)) {
      throw new L7Error(
        'ERR_L7_HEADER',
        `header ${JSON.stringify(name)} cannot be sent with value ${JSON.stringify(value)}`,
      );
    }
    return [lower, compileValue(value)] as const;
  });

/** `%%` is a percent sign, `%NAME%` and `%NAME(argument)%` are operators, a lonely `%` stays as it is. */
const compileValue = (text: string): Value => {
  if (!text.includes('%')) return () => text;
  const pieces: (string | { operator: string })[] = [];
  let index = 0;
  while (index < text.length) {
    const start = text.indexOf('%', index);
    const end = start === -1 ? -1 : text.indexOf('%', start + 1);
    if (end === -1) break;
    pieces.push(text.slice(index, start));
    pieces.push(end === start + 1 ? '%' : { operator: text.slice(start + 1, end) });
    index = end + 1;
  }
  pieces.push(text.slice(index));
  return (values) =>
    pieces.map((piece) => (typeof piece === 'string' ? piece : (values(piece.operator) ?? ''))).join('');
};

/** True for a lower-case field name that can be sent. */
export const isHeaderName = (text: string): boolean => isToken(text);

/** True for a value that both HTTP versions can carry as it is: no controls, nothing beyond one byte. */
export const isHeaderValue = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
};

const hasLineBreak = (text: string): boolean => text.includes('\r') || text.includes('\n') || text.includes('\0');

const tokenMarks = "!#$%&'*+-.^_`|~";

/** RFC 9110 5.6.2 token. */
const isToken = (text: string): boolean => {
  if (text === '') return false;
  for (const character of text) {
    const lower = character.toLowerCase();
    const alphanumeric = (lower >= 'a' && lower <= 'z') || (character >= '0' && character <= '9');
    if (!alphanumeric && !tokenMarks.includes(character)) return false;
  }
  return true;
};

/** More than this many names in `Connection` is refused (spec/waypoint.md 4.6.2). */
export const MAX_NOMINATIONS = 9;

/** Fields that frame or route a message: whoever wants them gone on the way has something in mind. */
const endToEnd = new Set(['content-length', 'host', 'cookie', 'authorization']);

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
const isHopByHop = (name: string): boolean => name === 'te' || hopByHop.has(name);
const asksForTrailers = (headers: HeaderList): boolean =>
  headers.getAll('te').some((value) => value.split(',').some((part) => part.trim().toLowerCase() === 'trailers'));

/**
 * Removes hop-by-hop fields in place. `TE` survives as `trailers` when it said so. In requests the names that
 * `Connection` nominates go as well; in responses they stay (golden envoy-http).
 * With `keepsUpgrade` (an accepted websocket) `Connection: Upgrade` and `Upgrade` stay.
 * Returns false when the nominations are not acceptable (too many, a forwarding header, or one that frames or routes): answer 400.
 */
export const removeHopByHop = (
  headers: HeaderList,
  direction: 'request' | 'response',
  options: { readonly keepsUpgrade?: boolean } = {},
): boolean => {
  if (options.keepsUpgrade === true) {
    headers.replace('connection', 'Upgrade');
    headers.removeIf((name) => name !== 'connection' && name !== 'upgrade' && hopByHop.has(name));
    return true;
  }
  if (direction === 'response') {
    headers.removeIf(isHopByHop);
    return true;
  }
  const trailers = headers.has('te') && asksForTrailers(headers);
  if (!headers.has('connection')) {
    headers.removeIf(isHopByHop);
    if (trailers) headers.append('te', 'trailers');
    return true;
  }
  const nominated = new Set<string>();
  for (const value of headers.getAll('connection')) {
    for (const name of value.split(',')) nominated.add(name.trim().toLowerCase());
  }
  nominated.delete('');
  headers.removeIf(isHopByHop);
  if (trailers) headers.append('te', 'trailers');
  for (const name of ['close', 'keep-alive', 'upgrade', 'te', 'http2-settings']) {
    if (nominated.delete(name) && name === 'http2-settings') headers.remove(name);
  }
  if (nominated.size > MAX_NOMINATIONS) return false;
  for (const name of nominated)
    if (name.startsWith('x-forwarded-') || name.startsWith(':') || endToEnd.has(name)) return false;
  if (nominated.size > 0) headers.removeIf((name) => nominated.has(name));
  return true;
};
