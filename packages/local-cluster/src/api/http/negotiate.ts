/**
 * Accept header -> how to answer (spec/local-cluster.md 3). In: header text, what the answer is; out: media type and
 * transformation, or 406. Pure.
 */

import { notAcceptable, statusError } from '../status.ts';

/** How an answer is shaped and written. */
export interface Representation {
  readonly format: 'json' | 'yaml';
  readonly as: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList' | undefined;
  /** `v1` or `v1beta1` of meta.k8s.io. */
  readonly version: string;
}

/** One clause of an Accept header. */
export interface AcceptClause {
  readonly type: string;
  readonly params: ReadonlyMap<string, string>;
}

const supported = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

/** Splits an Accept header; clauses with a lower q come later. */
export function parseAccept(header: string | undefined): AcceptClause[] {
  if (header === undefined || header.trim() === '') return [{ type: '*/*', params: new Map() }];
  const clauses = header
    .slice(0, 4096)
    .split(',')
    .map((text) => {
      const [type = '', ...rest] = text.split(';').map((part) => part.trim());
      const params = new Map<string, string>();
      for (const part of rest) {
        const cut = part.indexOf('=');
        if (cut > 0) params.set(part.slice(0, cut), part.slice(cut + 1));
      }
      return { type: type.toLowerCase(), params };
    });
  const weight = (clause: AcceptClause): number => Number(clause.params.get('q') ?? 1);
  return clauses.toSorted((a, b) => weight(b) - weight(a));
}

const versions = new Set(['v1', 'v1beta1']);
const shapes = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);

function representationOf(clause: AcceptClause): Representation | undefined {
  const isAny = clause.type === '*/*' || clause.type === 'application/*';
  const format =
    isAny || clause.type === 'application/json' ? 'json' : clause.type === 'application/yaml' ? 'yaml' : undefined;
  if (format === undefined) return undefined;
  const as = clause.params.get('as');
  if (as === undefined) return { format, as: undefined, version: '' };
  const version = clause.params.get('v') ?? '';
  if (!shapes.has(as) || !versions.has(version) || clause.params.get('g') !== 'meta.k8s.io') return undefined;
  return { format, as: as as 'Table', version };
}

/** What a refusal says: custom kinds and the builtin ones word it differently. */
export type AcceptContext = 'custom' | 'builtin-object' | 'builtin-list';

function refusal(context: AcceptContext): Error {
  if (context === 'custom') return notAcceptable(supported);
  const streams =
    context === 'builtin-list'
      ? ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']
      : [];
  return statusError(
    406,
    'NotAcceptable',
    `406: Not Acceptable\n\nAvailable representations: ${[...supported, ...streams].join(', ')}`,
    {},
  );
}

/** The first clause we can answer; throws 406. */
export function negotiate(header: string | undefined, context: AcceptContext = 'custom'): Representation {
  for (const clause of parseAccept(header)) {
    const found = representationOf(clause);
    if (found !== undefined) return found;
  }
  throw refusal(context);
}

/** How an error answer is written: YAML only when it was the first choice. */
export function errorFormat(header: string | undefined): 'json' | 'yaml' {
  for (const clause of parseAccept(header)) {
    if (clause.type === 'application/yaml') return 'yaml';
    if (clause.type === 'application/json' || clause.type === '*/*') return 'json';
  }
  return 'json';
}
