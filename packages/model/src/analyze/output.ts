// Messages as text, JSON and YAML, in the forms of upstream. In: messages. Out: text without the last line break. Called by run.ts
// and by whoever prints messages of its own. Pure.
import { stringify } from 'yaml';
import { type Level, lineOf, type Message, originOf } from './message.ts';

/** Output formats. */
export const outputFormats = ['log', 'json', 'yaml'] as const;
/** One of the output formats. */
export type OutputFormat = (typeof outputFormats)[number];

/** Where causes and remedies of upstream's codes are explained. */
export const DOCUMENTATION = 'https://istio.io/v1.30/docs/reference/config/analysis';

/** A message as structured output has it, with its keys in order. */
export function messageJson(message: Message): Readonly<Record<string, string>> {
  const { code, level, text, subject, reference } = message;
  const isUpstreams = code.startsWith('IST');
  return {
    code,
    ...(isUpstreams && { documentationUrl: `${DOCUMENTATION}/${code.toLowerCase()}/?ref=istioctl-analyze` }),
    level,
    message: text,
    ...(subject !== undefined && { origin: subject.origin }),
    ...(subject !== undefined && reference !== undefined && { reference }),
  };
}

/** All messages in one format. */
export function formatMessages(messages: readonly Message[], format: OutputFormat, isColored: boolean): string {
  switch (format) {
    case 'json':
      return escapeHtml(JSON.stringify(messages.map(messageJson), undefined, '\t'));
    case 'yaml':
      return stringify(messages.map(messageJson), { lineWidth: 0, singleQuote: true }).trimEnd() + '\n';
    case 'log':
      return messages.map((message) => (isColored ? coloredLine(message) : lineOf(message))).join('\n');
  }
}

const COLORS: Readonly<Record<Level, string>> = { Error: '\u001b[1;31m', Warning: '\u001b[33m', Info: '' };

const coloredLine = (message: Message): string =>
  `${COLORS[message.level]}${message.level}\u001b[0m [${message.code}]${originOf(message)} ${message.text}`;

const HTML: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go writes it: safe inside HTML. */
function escapeHtml(json: string): string {
  return Array.from(json, (c) => HTML[c] ?? c).join('');
}
