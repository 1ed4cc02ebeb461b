// In: a word and its meaning. Out: the word, coloured where a person looks at a terminal that can (CLI-5). Called by commands.
import { styleText } from 'node:util';

/** Meanings; each coloured word is also a word. */
export type Tone = 'good' | 'warning' | 'bad';

const colours = { good: 'green', warning: 'yellow', bad: 'red' } as const;

/** True when colour may be used: NO_COLOR, FORCE_COLOR, TERM and the stream decide. */
export function hasColour(
  stream: NodeJS.WriteStream = process.stdout,
  environment: NodeJS.ProcessEnv = process.env,
): boolean {
  if ((environment['FORCE_COLOR'] ?? '') !== '' && environment['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb';
}

/** The text in the colour of its meaning. */
export const toned = (tone: Tone, text: string): string =>
  hasColour() ? styleText(colours[tone], text, { validateStream: false }) : text;
