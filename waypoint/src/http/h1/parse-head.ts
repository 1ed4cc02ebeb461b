/**
 * The head of a message as text -> start line and fields, or what is wrong (RFC 9112 2-5; spec/waypoint.md 4.6.2).
 * In: everything up to and without the empty line, one character per byte. Pure; called by message-parser.ts.
 *
 * Strict: CRLF only, single spaces in the start line, no folding, no space around a name, no controls, known methods.
 */
import {
  firstNoValue,
  isBlank,
  isTargetCode,
  isTokenCode,
  isValueCode,
  knownName,
  lowerName,
  methods,
} from './grammar.ts';
import type { Http1Problem } from './problem.ts';

/** A request line. */
export interface RequestLine {
  readonly method: string;
  readonly target: string;
  /** Minor version: 0 or 1. */
  readonly minor: 0 | 1;
}

/** A status line. */
export interface StatusLine {
  readonly status: number;
  readonly minor: 0 | 1;
}

/** Fields as `[lower-case name, value, ...]`, and names as they were written when that is wanted. */
export interface Fields {
  readonly flat: string[];
  readonly spellings: Map<string, string> | undefined;
}

/** Parses `METHOD SP target SP HTTP/1.x`. */
export const parseRequestLine = (line: string): RequestLine | Http1Problem => {
  const first = line.indexOf(' ');
  const method = first === -1 ? line : line.slice(0, first);
  if (first < 1 || !methods.has(method)) return 'syntax';
  const second = line.indexOf(' ', first + 1);
  const target = second === -1 ? line.slice(first + 1) : line.slice(first + 1, second);
  const problem = targetProblem(target);
  if (problem !== undefined) return problem;
  if (second === -1) return 'version'; // HTTP/0.9
  const version = line.slice(second + 1);
  const isHttp = version.length === 8 && version.startsWith('HTTP/') && version[6] === '.';
  if (!isHttp || !isDigit(version.charCodeAt(5)) || !isDigit(version.charCodeAt(7))) return 'syntax';
  if (version === 'HTTP/1.1') return { method, target, minor: 1 };
  return version === 'HTTP/1.0' ? { method, target, minor: 0 } : 'version';
};

const targetProblem = (target: string): Http1Problem | undefined => {
  if (target === '') return 'syntax';
  for (let index = 0; index < target.length; index++) {
    const code = target.charCodeAt(index);
    if (isTargetCode(code)) continue;
    return code > 0x7f ? 'syntax' : 'characters';
  }
  return undefined;
};

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** Parses `HTTP/1.x SP status [SP reason]`. */
export const parseStatusLine = (line: string): StatusLine | Http1Problem => {
  const minor = line.charCodeAt(7) - 0x30;
  if (!line.startsWith('HTTP/1.') || (minor !== 0 && minor !== 1) || line[8] !== ' ') return 'syntax';
  let status = 0;
  for (let index = 9; index < 12; index++) {
    const code = line.charCodeAt(index);
    if (!isDigit(code)) return 'syntax';
    status = status * 10 + code - 0x30;
  }
  if (status < 100 || (line.length > 12 && line[12] !== ' ')) return 'syntax';
  for (let index = 13; index < line.length; index++) if (!isValueCode(line.charCodeAt(index))) return 'characters';
  return { status, minor };
};

/** Parses the lines from `start` on; each is `name: value`. Trailers have the same form. */
export const parseFields = (
  text: string,
  start: number,
  maxFields: number,
  keepSpelling: boolean,
): Fields | Http1Problem => {
  const flat: string[] = [];
  const spellings = keepSpelling ? new Map<string, string>() : undefined;
  let at = start;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    if (colon === -1) return 'syntax';
    const written = text.slice(at, colon);
    const known = knownName(written);
    if (known === undefined && !isToken(written)) return 'syntax';
    let from = colon + 1;
    while (isBlank(text.charCodeAt(from))) from += 1;
    const lineEnd = text.indexOf('\r', from);
    const end = lineEnd === -1 ? text.length : lineEnd;
    const bad = firstNoValue(text, from, end);
    if (bad < end) return problemOfByte(text.charCodeAt(bad));
    if (end < text.length && text.charCodeAt(end + 1) !== 0x0a) return 'characters';
    let to = end;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
    if (flat.length >= maxFields * 2) return 'too-many';
    const name = known ?? lowerName(written);
    if (spellings !== undefined && !spellings.has(name)) spellings.set(name, written);
    flat.push(name, text.slice(from, to));
    at = end === text.length ? end : end + 2;
  }
  return { flat, spellings };
};

const isToken = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (!isTokenCode(text.charCodeAt(index))) return false;
  return text !== '';
};

/** A bare line feed is a line end that others may believe in; anything else is a byte that must not be there. */
const problemOfByte = (code: number): Http1Problem => (code === 0x0a ? 'syntax' : 'characters');
