/** Checks of the version options of lists and watches (spec/local-cluster.md 4). In: query; out: exact revision or 4xx. Pure. */

import { isDigits } from '../characters.ts';
import { forbiddenField, notSupported } from '../field-error.ts';
import { isTrue } from '../http/request-info.ts';
import { badRequest, futureRevision, invalid } from '../status.ts';
import type { FieldProblem } from '../status.ts';
import type { ObjectStore } from '../../store/object-store.ts';

const kind = { group: 'meta.k8s.io', kind: 'ListOptions' };

/** A revision in a query; throws 400 when it is not a number. */
export function parseRevision(text: string): number {
  if (text === '') return 0;
  if (!isDigits(text, 15)) {
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  return Number(text);
}

function listProblems(query: URLSearchParams): FieldProblem[] {
  const match = query.get('resourceVersionMatch') ?? '';
  const version = query.get('resourceVersion') ?? '';
  const problems: FieldProblem[] = [];
  const streams = query.has('sendInitialEvents')
    ? [forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list')]
    : [];
  if (match === '') return streams;
  if (version === '')
    problems.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    );
  if ((query.get('continue') ?? '') !== '')
    problems.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'),
    );
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    problems.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
  }
  if (match === 'Exact' && version === '0') {
    problems.push(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    );
  }
  return [...problems, ...streams];
}

/** Checks a list; `exact` is the revision to read when it was asked for exactly. */
export function checkListOptions(store: ObjectStore, query: URLSearchParams): { readonly exact: number | undefined } {
  const problems = listProblems(query);
  if (problems.length > 0) throw invalid(kind, '', problems);
  const revision = (query.get('continue') ?? '') === '' ? parseRevision(query.get('resourceVersion') ?? '') : 0;
  if (revision > store.revision) throw futureRevision(revision, store.revision);
  return { exact: query.get('resourceVersionMatch') === 'Exact' ? revision : undefined };
}

/** Checks a watch with or without initial events. */
export function checkWatchOptions(query: URLSearchParams): { readonly streamsList: boolean } {
  const match = query.get('resourceVersionMatch') ?? '';
  const sends = query.has('sendInitialEvents');
  const problems: FieldProblem[] = [];
  if (sends) {
    if (match !== 'NotOlderThan') {
      problems.push(
        forbiddenField(
          'resourceVersionMatch',
          'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
        ),
      );
      if (match !== '') problems.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
    }
    if ((query.get('continue') ?? '') !== '')
      problems.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden when continue is provided'));
  } else if (match !== '') {
    problems.push(
      forbiddenField(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    );
  }
  if (problems.length > 0) throw invalid(kind, '', problems);
  return { streamsList: isTrue(query.get('sendInitialEvents')) };
}
