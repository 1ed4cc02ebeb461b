// In: the parts of one log line. Out: its text, without a newline. Pure; called by log.ts.
// Plain format: spec node-proxy 9.4 (time, level, scope, message and fields, separated by tabs; fields by spaces).
import { isSecretName } from './redact.ts';

/** A value written without quotes in the plain format: an address, an identifier. JSON writes it as a string. */
export class Unquoted {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** Marks a text as one that the plain format writes without quotes. Spaces and control characters bring the quotes back. */
export function unquoted(text: string): Unquoted {
  return new Unquoted(text);
}

/** The last second that was written, up to its point: lines of one second share it. */
let writtenSecond = Number.NaN;
let writtenPrefix = '';

/** RFC 3339 in UTC with six digits of fraction; `epochMs` may have a fraction. */
export function rfc3339Micros(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== writtenSecond) {
    writtenPrefix = new Date(second * 1000).toISOString().slice(0, -4);
    writtenSecond = second;
  }
  const micros = Math.min(Math.round((epochMs - second * 1000) * 1000), 999_999);
  return `${writtenPrefix}${String(micros).padStart(6, '0')}Z`;
}

/** `<time>\t<level>\t<scope>\t<message>\tk=v k="v v"`; a leading `ztunnel::` of the scope is cut. */
export function formatPlain(
  epochMs: number,
  level: string,
  scope: string,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): string {
  const short = scope.startsWith('ztunnel::') ? scope.slice(9) : scope;
  const head = `${rfc3339Micros(epochMs)}\t${level}\t${short}\t${escaped(message)}`;
  const tail: string[] = [];
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined) tail.push(`${key}=${isSecretName(key) ? '"[redacted]"' : plainValue(value)}`);
  }
  return tail.length === 0 ? head : `${head}\t${tail.join(' ')}`;
}

function plainValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Unquoted) return needsQuotes(value.text) ? JSON.stringify(value.text) : value.text;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value instanceof Error) return JSON.stringify(value.message);
  return jsonOf(value);
}

function needsQuotes(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x22 || code === 0x7f) return true;
  }
  return text === '';
}

/** Keeps a message on its line: control characters become escapes. */
function escaped(text: string): string {
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) < 0x20) return JSON.stringify(text).slice(1, -1);
  }
  return text;
}

/** One JSON object: level, time, scope, message, then the fields in order. */
export function formatJson(
  epochMs: number,
  level: string,
  scope: string,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): string {
  const line: Record<string, unknown> = { level, time: rfc3339Micros(epochMs), scope, message };
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined)
      line[key] = isSecretName(key) ? '[redacted]' : value instanceof Error ? value.message : value;
  }
  return jsonOf(line);
}

function jsonOf(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)) ?? 'null'
    );
  } catch {
    return '"[unprintable]"';
  }
}
