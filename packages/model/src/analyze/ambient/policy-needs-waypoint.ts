// ambient.PolicyNeedsWaypoint: policies for workloads that only a waypoint could enforce (AMB0103).
import type { AuthorizationRule } from '@ambit/resources';
import { l7FieldsOf } from '../../translate/authorization/l7-fields.ts';
import { mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Inventory } from '../inventory.ts';
import { messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';
import { meshPodsIn } from './enrolment.ts';

/** See the file's comment. */
export const policyNeedsWaypointAnalyzer: Analyzer = {
  name: 'ambient.PolicyNeedsWaypoint',
  description: 'Finds policies that select workloads of the ambient mesh and need a waypoint',
  inputs: ['AuthorizationPolicy', 'RequestAuthentication', 'Pod', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const policy of objects.all('AuthorizationPolicy')) {
      const needs = needsOf(policy);
      if (needs === undefined || !selectsMeshPods(policy, objects)) continue;
      const effect =
        policy.spec['action'] === 'DENY'
          ? 'rules that use them deny nothing at the node proxy'
          : 'the node proxy allows nothing for rules that use them';
      report(
        messageOf(
          'AMB0103',
          policy,
          `The policy selects workloads and needs a waypoint for ${needs}: ${effect}. Use targetRefs to attach it to a waypoint or to a Service that has one.`,
        ),
      );
    }
    for (const authentication of objects.all('RequestAuthentication')) {
      if (hasTargets(authentication) || !selectsMeshPods(authentication, objects)) continue;
      report(
        messageOf(
          'AMB0103',
          authentication,
          'The RequestAuthentication selects workloads and needs a waypoint: the node proxy reads no tokens. Use targetRefs to attach it to a waypoint or to a Service that has one.',
        ),
      );
    }
  },
};

const hasTargets = ({ spec }: Subject): boolean =>
  optionalMap(spec['targetRef']) !== undefined || mapsOf(spec['targetRefs']).length > 0;

/** What the node proxy cannot do for a policy; undefined when it can do all. */
function needsOf(policy: Subject): string | undefined {
  if (hasTargets(policy)) return undefined;
  const action = textOf(policy.spec['action']);
  if (action === 'CUSTOM' || action === 'AUDIT') return `the action ${action}`;
  const fields = mapsOf(policy.spec['rules']).flatMap((rule) => l7FieldsOf(rule as unknown as AuthorizationRule));
  return fields.length === 0 ? undefined : [...new Set(fields)].toSorted().join(', ');
}

function selectsMeshPods({ spec, namespace }: Subject, objects: Inventory): boolean {
  const selector = pairSelector(mapOf(spec['selector'])['matchLabels']);
  return meshPodsIn(namespace, objects).some((pod) => selector.matches(pod.labels));
}
