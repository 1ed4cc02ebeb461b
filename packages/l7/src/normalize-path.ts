/**
 * Path normalization before policy, routing and forwarding (spec/waypoint.md 4.6.1; golden envoy-http `path`).
 * In: the request target as received. Out: normalized path and untouched query, or a refusal (400).
 * Called once per request by the waypoint's hygiene filter; data thread.
 */

/** How far paths are normalized; mesh option `pathNormalization`. */
export type PathNormalization =
  | 'none'
  | 'base'
  | 'merge-slashes'
  | 'decode-and-merge-slashes'
  | 'decode-and-redirect'
  | 'reject-escaped-slashes';

/** A target split and normalized, or refused with 400 `path_normalization_failed`. */
export type NormalizedPath =
  | { readonly ok: true; readonly path: string; readonly query: string | undefined }
  | {
      readonly ok: false;
      /** Where the clean form of the path is, when the client is to ask for that. */
      readonly redirect?: string;
    };

const refused: NormalizedPath = Object.freeze({ ok: false });

/**
 * Normalizes an origin-form target. Order: escaped slashes, unreserved escapes and dot segments, repeated slashes.
 * Refuses fragments, raw control characters and spaces, bytes above 0x7e, and `%00`. `*` passes unchanged.
 */
export const normalizePath = (target: string, mode: PathNormalization): NormalizedPath => {
  const question = target.indexOf('?');
  const rawPath = question === -1 ? target : target.slice(0, question);
  const query = question === -1 ? undefined : target.slice(question + 1);
  if (hasForbidden(target)) return refused;
  if (rawPath === '*') return { ok: true, path: '*', query };
  if (!rawPath.startsWith('/')) return refused;
  if (mode === 'none') return { ok: true, path: rawPath, query };
  const isEscaped = hasEscapedSlash(rawPath);
  if (isEscaped && mode === 'reject-escaped-slashes') return refused;
  let path = unescapeUnreserved(rawPath, mode === 'decode-and-merge-slashes' || mode === 'decode-and-redirect');
  if (path === undefined) return refused;
  path = removeDotSegments(path.replaceAll('\\', '/'));
  if (mode !== 'base' && mode !== 'reject-escaped-slashes') path = mergeSlashes(path);
  if (isEscaped && mode === 'decode-and-redirect') {
    return { ok: false, redirect: query === undefined ? path : `${path}?${query}` };
  }
  return { ok: true, path, query };
};

const hasEscapedSlash = (path: string): boolean => {
  for (let index = path.indexOf('%'); index !== -1; index = path.indexOf('%', index + 1)) {
    const code = hexByte(path, index + 1);
    if (code === 0x2f || code === 0x5c) return true;
  }
  return false;
};

const hasForbidden = (target: string): boolean => {
  for (let index = 0; index < target.length; index++) {
    const code = target.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return true;
  }
  return false;
};

const unescapeUnreserved = (path: string, slashes: boolean): string | undefined => {
  if (!path.includes('%')) return path;
  let result = '';
  for (let index = 0; index < path.length; index++) {
    const code = path[index] === '%' ? hexByte(path, index + 1) : undefined;
    if (code === undefined) {
      result += path[index];
      continue;
    }
    if (code === 0) return undefined;
    const decoded = isUnreserved(code)
      ? String.fromCharCode(code)
      : slashes && (code === 0x2f || code === 0x5c)
        ? '/'
        : undefined;
    result += decoded ?? path.slice(index, index + 3);
    index += 2;
  }
  return result;
};

const hexByte = (text: string, at: number): number | undefined => {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high === undefined || low === undefined ? undefined : high * 16 + low;
};

const hexDigit = (code: number): number | undefined => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined;
};

const isUnreserved = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x2d ||
  code === 0x2e ||
  code === 0x5f ||
  code === 0x7e;

/** RFC 3986 5.2.4 on an absolute path; `..` above the root stays at the root, empty segments count as segments. */
const removeDotSegments = (path: string): string => {
  if (!path.includes('/.')) return path;
  const output: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') output.pop();
      if (last) output.push('');
    } else output.push(segment);
  }
  return `/${output.join('/')}`;
};

const mergeSlashes = (path: string): string => {
  let result = '';
  for (const character of path) if (character !== '/' || !result.endsWith('/')) result += character;
  return result;
};
