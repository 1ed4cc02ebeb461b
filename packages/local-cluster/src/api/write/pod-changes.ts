/** What may change in a pod. In: the pod after and before; out: problems with field paths. Pure. */

import { forbiddenField } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';

const TEXT =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The spec without what may change; the node is given once, by the scheduler. */
function fixedPart(pod: JsonObject, before: JsonObject): JsonObject {
  const withoutImages = (list: 'containers' | 'initContainers'): unknown[] =>
    listAt(pod, 'spec', list).map((each) => (isObject(each) ? { ...each, image: '' } : each));
  return {
    ...objectAt(pod, 'spec'),
    containers: withoutImages('containers'),
    initContainers: withoutImages('initContainers'),
    ephemeralContainers: undefined,
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    schedulingGates: undefined,
    ...(textAt(before, 'spec', 'nodeName') === '' ? { nodeName: undefined } : {}),
  };
}

/** Problems of a change of a pod. */
export function podUpdateProblems(pod: JsonObject, before: JsonObject): FieldProblem[] {
  const kept = listAt(before, 'spec', 'tolerations').every((old) =>
    listAt(pod, 'spec', 'tolerations').some((each) => equalJson(each, old)),
  );
  if (kept && equalJson(fixedPart(pod, before), fixedPart(before, before))) return [];
  return [forbiddenField('spec', TEXT)];
}
