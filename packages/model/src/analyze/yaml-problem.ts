// Errors of the YAML reader in the words of upstream's reader, where there is a counterpart. Called by files.ts. Pure.
import type { YAMLParseError } from 'yaml';

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
  ['Unresolved alias', 'unknown anchor referenced'],
];

/** `yaml: line <n>: <what>`. */
export function yamlProblem({ message, linePos }: YAMLParseError): string {
  const line = linePos?.[0].line ?? 1;
  const words = WORDS.find(([ours]) => message.includes(ours))?.[1] ?? message.split(' at line ')[0] ?? message;
  return `yaml: line ${line}: ${words}`;
}
