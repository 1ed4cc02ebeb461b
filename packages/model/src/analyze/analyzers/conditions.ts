// conditions.ConditionAnalyzer: what the control plane says in statuses (IST0171).
import { type Json, mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalyzedKind } from '../kinds.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

const BOUND = ['istio.io/WaypointBound'];
const ROUTE = ['Accepted', 'Programmed', 'ResolvedRefs'];
/** Condition types that are bad news when they are False, in the order of upstream. */
const NEGATIVE: readonly (readonly [kind: AnalyzedKind, types: readonly string[]])[] = [
  ['Service', BOUND],
  ['ServiceEntry', BOUND],
  ['WorkloadEntry', BOUND],
  ['AuthorizationPolicy', ['ZtunnelAccepted', 'WaypointAccepted']],
  ['Gateway', ROUTE],
  ['HTTPRoute', ROUTE],
  ['GRPCRoute', ROUTE],
];

/** See the file's comment. */
export const conditionAnalyzer: Analyzer = {
  name: 'conditions.ConditionAnalyzer',
  description: 'Checks for negative status conditions on resources',
  inputs: NEGATIVE.map(([kind]) => kind),
  analyze: ({ objects }, report) => {
    for (const [kind, types] of NEGATIVE) {
      for (const subject of objects.all(kind)) {
        for (const condition of conditionsOf(subject)) {
          const [type, reason] = [textOf(condition['type']), textOf(condition['reason'])];
          const isPartial =
            kind === 'AuthorizationPolicy' && type === 'WaypointAccepted' && reason === 'PartiallyInvalid';
          const isNegative = textOf(condition['status']) === (types.includes(type) ? 'False' : '');
          if (!isNegative && !isPartial) continue;
          const message = textOf(condition['message']);
          report(
            messageOf(
              'IST0171',
              subject,
              `A condition with a negative status is present: type=${type}, reason=${reason}, message=${message}.`,
            ),
          );
        }
      }
    }
  },
};

function conditionsOf({ kind, status }: Subject): Json[] {
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return mapsOf(status['conditions']);
  return mapsOf(status['parents']).flatMap((parent) => mapsOf(parent['conditions']));
}
