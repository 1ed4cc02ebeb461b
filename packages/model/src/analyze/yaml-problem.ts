// YAML as Kubernetes tools read it, and its errors in the words of upstream's reader, where there is a counterpart. Called by files.ts
// and by validation of files. Pure.
import { type Document, visit, type YAMLParseError } from 'yaml';
import { quoted } from './go-text.ts';

/** How often an anchor may be unfolded, counted with what it unfolds itself. */
const MAX_ALIASES = 100;

const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);

/** The value of a document without errors. Throws `SyntaxError` (`yaml: <what>`) for aliases that cannot be followed. */
export function yamlValue(document: Document.Parsed): unknown {
  visit(document, {
    // Words that are truth values to Kubernetes tools (YAML 1.1) and texts to YAML 1.2.
    Scalar: (_, node) => {
      if (node.type !== 'PLAIN' || node.tag !== undefined || typeof node.value !== 'string') return;
      node.value = TRUTHS.get(node.value) ?? node.value;
    },
    Alias: (_, alias, path) => {
      const target = alias.resolve(document);
      if (target === undefined) throw new SyntaxError(`yaml: unknown anchor '${alias.source}' referenced`);
      if (path.includes(target)) throw new SyntaxError(`yaml: anchor '${alias.source}' value contains itself`);
    },
  });
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return value;
  } catch (error) {
    const isAlias = error instanceof ReferenceError;
    const what = isAlias
      ? 'document contains excessive aliasing'
      : 'map merge requires map or sequence of maps as the value';
    throw new SyntaxError(`yaml: ${what}`, { cause: error });
  }
}

/** Part of our reader's message -> what upstream's reader says. */
const WORDS: readonly (readonly [ours: string, theirs: string])[] = [
  ['end with a ]', "did not find expected ',' or ']'"],
  ['end with a }', "did not find expected ',' or '}'"],
  ['Missing closing', 'found unexpected end of stream'],
  ['Nested mappings are not allowed', 'mapping values are not allowed in this context'],
  ['Implicit keys need to be on a single line', "could not find expected ':'"],
  ['Implicit map keys need to be followed by map values', "could not find expected ':'"],
  ['A collection cannot be both a mapping and a sequence', 'did not find expected key'],
  ['All mapping items must start at the same column', 'did not find expected key'],
  ['All sequence items must start at the same column', "did not find expected '-' indicator"],
  ['Tabs are not allowed as indentation', 'found character that cannot start any token'],
  ['Plain value cannot start with', 'found character that cannot start any token'],
  ['Invalid escape sequence', 'found unknown escape character'],
  ['Maximum call stack size exceeded', 'exceeded max depth of 10000'],
];

/** `yaml: line <n>: <what>`; `text` is what was read. */
export function yamlProblem({ code, message, linePos, pos }: YAMLParseError, text: string): string {
  const line = linePos?.[0].line ?? 1;
  if (code === 'DUPLICATE_KEY') {
    const key = (text.slice(pos[0]).split(':')[0] ?? '').trim();
    const isQuoted = (key.startsWith('"') || key.startsWith("'")) && key.length > 1;
    return `yaml: unmarshal errors:\n  line ${line}: key ${quoted(isQuoted ? key.slice(1, -1) : key)} already set in map`;
  }
  const words = WORDS.find(([ours]) => message.includes(ours))?.[1] ?? message.split(' at line ')[0] ?? message;
  return `yaml: line ${line}: ${words}`;
}
