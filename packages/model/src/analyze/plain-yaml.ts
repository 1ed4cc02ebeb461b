// Documents of the plain form that nearly all objects have -> their value, four times as fast as with the reader that knows every form.
// In: the text of one document. Out: the value, or undefined where the other reader has to look. Called by files.ts. Pure.
//
// Plain are block mappings and sequences whose scalars stand on one line and mean the same in YAML 1.1 and 1.2. What is left out:
// anchors, tags, flow collections, texts of several lines, comments behind values, escapes, and words or numbers on which versions of
// YAML differ. A test compares both readers.
import { CORE_SCHEMA, load } from 'js-yaml';

/** Words that are no text to some reader. */
const WORDS: ReadonlySet<string> = new Set(['y', 'n', 'yes', 'no', 'on', 'off', 'null', 'true', 'false', '~']);
/** The only ones of them that all readers take alike. */
const COMMON_WORDS: ReadonlySet<string> = new Set(['null', 'true', 'false']);

/** The value of a document of the plain form. */
export function plainValue(text: string): unknown {
  let at = 0;
  while (at <= text.length) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    if (!isPlainLine(text, at, end)) return undefined;
    at = end + 1;
  }
  try {
    return load(text, { schema: CORE_SCHEMA });
  } catch {
    // The other reader says what is wrong, in the words of upstream.
    return undefined;
  }
}

/** Whether a line is `key:`, `key: value`, `- value`, `- key: value`, empty, or a comment of its own. */
function isPlainLine(text: string, start: number, end: number): boolean {
  let at = start;
  while (at < end && text[at] === ' ') at += 1;
  if (at === end || text[at] === '#') return true;
  const indent = at;
  while (text[at] === '-' && text[at + 1] === ' ') {
    at += 2;
    while (at < end && text[at] === ' ') at += 1;
  }
  if (at === end) return false;
  const colon = keyEnd(text, at, end);
  // A text alone on its line goes on with the line before, unless it is an item.
  if (colon === at) return at > indent && isPlainScalar(text.slice(at, end));
  if (!isPlainKey(text.slice(at, colon))) return false;
  if (colon + 1 === end) return true;
  return text[colon + 1] === ' ' && isPlainScalar(text.slice(colon + 2, end));
}

/** Position of the colon behind the key that begins at `start`; `start` where none does. */
function keyEnd(text: string, start: number, end: number): number {
  for (let at = start; at < end; at += 1) {
    if (text[at] === ':') return at + 1 === end || text[at + 1] === ' ' ? at : start;
    if (!isNameCharacter(text.charCodeAt(at))) return start;
  }
  return start;
}

/** Letters, digits, `_`, `-`, `.`, `/`. */
const isNameCharacter = (code: number): boolean =>
  isLetter(code) || isDigit(code) || code === 0x5f || (code >= 0x2d && code <= 0x2f);
const isLetter = (code: number): boolean => (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a);
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

const isPlainKey = (key: string): boolean => isLetter(key.charCodeAt(0)) && !WORDS.has(key.toLowerCase());

/** Whether a scalar means the same to all readers. */
function isPlainScalar(scalar: string): boolean {
  const first = scalar.charCodeAt(0);
  if (scalar.endsWith(' ') || scalar.includes('\t')) return false;
  if (first === 0x22 || first === 0x27) return isPlainQuoted(scalar);
  if (scalar.includes(': ') || scalar.includes(' #') || scalar.endsWith(':')) return false;
  if (isLetter(first) || scalar.startsWith('/')) return COMMON_WORDS.has(scalar) || !WORDS.has(scalar.toLowerCase());
  return isPlainNumber(scalar) || isAddress(scalar);
}

/** `"text"` or `'text'` without escapes. */
function isPlainQuoted(scalar: string): boolean {
  const quote = scalar[0] ?? '';
  if (scalar.length < 2 || !scalar.endsWith(quote) || scalar.includes('\\')) return false;
  return scalar.indexOf(quote, 1) === scalar.length - 1;
}

/** Digits without a leading zero, few enough to be exact. */
function isPlainNumber(scalar: string): boolean {
  if (scalar.length > 15 || (scalar.startsWith('0') && scalar !== '0')) return false;
  for (let at = 0; at < scalar.length; at += 1) if (!isDigit(scalar.charCodeAt(at))) return false;
  return scalar !== '';
}

/** Digits and at least two dots, with a prefix length or without: an address, no number. */
function isAddress(scalar: string): boolean {
  let dots = 0;
  for (let at = 0; at < scalar.length; at += 1) {
    const code = scalar.charCodeAt(at);
    if (code === 0x2e) dots += 1;
    else if (!isDigit(code) && code !== 0x2f) return false;
  }
  return dots >= 2 && isDigit(scalar.charCodeAt(0));
}
