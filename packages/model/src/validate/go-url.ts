// URLs as Go's net/url reads them: what upstream accepts and the words it refuses with. In: text. Out: parts, or why it is none.
// Called by validation and by analyzers. Pure.
import { quoted } from '../analyze/go-text.ts';

/** Parts of a URL that rules look at. */
export interface GoUrl {
  /** Lower case; empty when there is none. */
  readonly scheme: string;
  /** With port, without user. */
  readonly host: string;
  /** Without port and brackets. */
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
  /** What follows `scheme:` when that is no path. */
  readonly opaque: string;
  readonly query: string;
}

const isLetter = (c: string): boolean => (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
const isDigit = (c: string): boolean => c >= '0' && c <= '9';
const HOST_CHARACTERS = '-_.~!$&\'()*+,;=:[]<>"';

/** Reads a URL; a text is the reason why it is none, in Go's words. */
export function goUrl(text: string): GoUrl | string {
  const hash = text.indexOf('#');
  const problem = (why: string): string => `parse ${quoted(text)}: ${why}`;
  const main = hash < 0 ? text : text.slice(0, hash);
  if (Array.from(main).some((c) => c < ' ' || c === '\x7f'))
    return problem('net/url: invalid control character in URL');
  const scheme = schemeOf(main);
  if (scheme === undefined) return problem('missing protocol scheme');
  let rest = scheme === '' ? main : main.slice(scheme.length + 1);
  const mark = rest.indexOf('?');
  const query = mark < 0 ? '' : rest.slice(mark + 1);
  if (mark >= 0) rest = rest.slice(0, mark);
  const parts = { scheme: scheme.toLowerCase(), host: '', hostname: '', port: '', path: '', opaque: '', query };
  if (!rest.startsWith('/')) {
    if (scheme !== '') return { ...parts, opaque: rest };
    if ((rest.split('/')[0] ?? '').includes(':')) return problem('first path segment in URL cannot contain colon');
  }
  let authority = '';
  if (rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'))) {
    const slash = rest.indexOf('/', 2);
    authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    rest = slash < 0 ? '' : rest.slice(slash);
  }
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const why = problemOfHostPart(host) ?? problemOfEscapes(rest);
  if (why !== undefined) return problem(why);
  return { ...parts, host, path: rest, ...splitHost(host) };
}

/** The scheme with its case kept; empty when there is none, undefined when only its colon is there. */
function schemeOf(text: string): string | undefined {
  for (const [index, c] of Array.from(text).entries()) {
    if (isLetter(c)) continue;
    if (c === ':') return index === 0 ? undefined : text.slice(0, index);
    if (index === 0 || !(isDigit(c) || '+-.'.includes(c))) return '';
  }
  return '';
}

function splitHost(host: string): { hostname: string; port: string } {
  const bracket = host.lastIndexOf(']');
  const colon = host.lastIndexOf(':');
  const hasPort = colon > bracket;
  const name = hasPort ? host.slice(0, colon) : host;
  const port = hasPort ? host.slice(colon + 1) : '';
  return { hostname: name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name, port };
}

function problemOfHostPart(host: string): string | undefined {
  let port = '';
  if (host.startsWith('[')) {
    const bracket = host.lastIndexOf(']');
    if (bracket < 0) return "missing ']' in host";
    port = host.slice(bracket + 1);
  } else if (host.includes(':')) port = host.slice(host.lastIndexOf(':'));
  if (port !== '' && !(port.startsWith(':') && Array.from(port.slice(1)).every(isDigit))) {
    return `invalid port ${quoted(port)} after host`;
  }
  const escape = problemOfEscapes(host);
  if (escape !== undefined) return escape;
  const wrong = Array.from(host).find(
    (c) => c < '\x80' && c !== '%' && !isLetter(c) && !isDigit(c) && !HOST_CHARACTERS.includes(c),
  );
  return wrong === undefined ? undefined : `invalid character ${quoted(wrong)} in host name`;
}

const isHex = (c: string): boolean => isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

function problemOfEscapes(text: string): string | undefined {
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', at + 1)) {
    const escape = text.slice(at, at + 3);
    if (escape.length < 3 || !Array.from(escape.slice(1)).every(isHex)) return `invalid URL escape ${quoted(escape)}`;
  }
  return undefined;
}
