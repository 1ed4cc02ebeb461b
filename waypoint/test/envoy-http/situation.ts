/** The recordings as data, and how a run is compared with one (golden envoy-http/README.md). Used by envoy-http-golden.test.ts. */
import type { After } from './client.ts';

/** One recorded situation. */
export interface Situation {
  readonly id: string;
  readonly area: string;
  readonly listener: string;
  readonly request: string;
  readonly request_length?: number;
  readonly request_steps?: readonly (string | number)[];
  readonly interim_responses?: readonly string[];
  readonly response: {
    readonly status_line: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: string;
  } | null;
  readonly connection_after: After;
  readonly upstream_requests: readonly { readonly backend: string; readonly bytes: string }[];
  readonly access_log: readonly Readonly<Record<string, unknown>>[];
}

/** What our engine did. */
export interface Outcome {
  readonly received: string;
  readonly after: After;
  readonly upstream: Situation['upstream_requests'];
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

/** The bytes to send: shortened runs are written out. */
export const requestSteps = ({ request, request_steps: steps }: Situation): readonly (string | number)[] =>
  (steps ?? [request]).map((step) => (typeof step === 'number' ? step : expand(step)));

const expand = (text: string): string =>
  text
    .replaceAll(/<\.\.\. (\d+) characters \.\.\.>/g, (_all, count: string, at: number) =>
      (text[at - 1] as string).repeat(Number(count)),
    )
    .replaceAll(/<(\d+) x "(.)">/g, (_all, count: string, character: string) => character.repeat(Number(count)));

/** The whole response as one text, in the form of {@link Outcome.received}. */
export const expectedBytes = ({ interim_responses: interim, response }: Situation): string => {
  if (response === null) return '';
  const heads = (interim ?? []).map((head) => `${head}\r\n\r\n`).join('');
  const fields = response.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${heads}${response.status_line}\r\n${fields}\r\n${response.body}`;
};

/** What may stand for each placeholder. */
const placeholders: Readonly<Record<string, RegExp>> = {
  '<DATE>': /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/,
  '<UUID>': /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/,
  '<MS>': /^\d+/,
  '<S>': /^\d+/,
  '<HEX16>': /^[0-9a-f]{16}/,
  '<TLS ClientHello>': /^[^ -~][^]+/,
};

/** True when `actual` is `expected` with every placeholder filled in. */
export const fits = (expected: string, actual: string): boolean => {
  let rest = actual;
  for (const part of expand(expected).split(/(<DATE>|<UUID>|<MS>|<S>|<HEX16>|<TLS ClientHello>)/)) {
    const length = placeholders[part]?.exec(rest)?.[0].length ?? (rest.startsWith(part) ? part.length : -1);
    if (length === -1) return false;
    rest = rest.slice(length);
  }
  return rest === '';
};

/** Fields of the log that mean the same in ours. */
const logFields = ['code', 'details', 'termination', 'attempts', 'rx', 'tx', 'route', 'upstream_failure'] as const;

/** Every difference, in words; empty = the same. */
export const differences = (situation: Situation, outcome: Outcome): string[] => {
  const found: string[] = [];
  const expected = expectedBytes(situation);
  if (!fits(expected, outcome.received)) found.push(`response: ${shown(expected)} but got ${shown(outcome.received)}`);
  if (situation.connection_after !== outcome.after)
    found.push(`connection: ${situation.connection_after} but got ${outcome.after}`);
  const upstream = situation.upstream_requests;
  if (upstream.length !== outcome.upstream.length)
    found.push(`upstream requests: ${upstream.length} but got ${outcome.upstream.length}`);
  for (const [index, { backend, bytes }] of upstream.entries()) {
    const got = outcome.upstream[index];
    if (got !== undefined && (got.backend !== backend || !fits(bytes, got.bytes)))
      found.push(`upstream ${backend}: ${shown(bytes)} but got ${got.backend} ${shown(got.bytes)}`);
  }
  if (situation.access_log.length !== outcome.log.length)
    found.push(`log lines: ${situation.access_log.length} but got ${outcome.log.length}`);
  for (const [index, line] of situation.access_log.entries()) found.push(...logDifferences(line, outcome.log[index]));
  return found;
};

const logDifferences = (
  expected: Readonly<Record<string, unknown>>,
  got: Readonly<Record<string, unknown>> | undefined,
): string[] => {
  if (got === undefined) return [];
  const found: string[] = [];
  for (const field of logFields) {
    const [one, two] = [textOf(expected[field]), textOf(got[field])];
    if (!fits(one, two)) found.push(`log ${field}: ${one} but got ${two}`);
  }
  const flags = (line: Readonly<Record<string, unknown>>): string => textOf(line['flags']).split(',').sort().join(',');
  if (flags(expected) !== flags(got)) found.push(`log flags: ${flags(expected)} but got ${flags(got)}`);
  return found;
};

const textOf = (value: unknown): string =>
  value === undefined || value === null ? '-' : JSON.stringify(value).replace(/^"(.*)"$/, '$1');

const shown = (text: string): string => JSON.stringify(text.length > 900 ? `${text.slice(0, 900)}...` : text);
