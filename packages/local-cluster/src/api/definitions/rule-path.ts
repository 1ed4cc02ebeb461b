/** The `fieldPath` of a rule: `.spec.a`, `['a-b']`, `.m['k']`. In: text and schema; out: the path as errors show it. Pure. */

import { isObject } from '../json.ts';
import type { JsonObject } from '../json.ts';

const maxSteps = 64;

/** The names along a path, or undefined when the text is none. */
function stepsOf(text: string): string[] | undefined {
  const steps: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (text.startsWith("['", at)) {
      const end = text.indexOf("']", at);
      if (end < 0) return undefined;
      steps.push(text.slice(at + 2, end));
      at = end + 2;
    } else if (text.startsWith('.', at)) {
      let end = at + 1;
      while (end < text.length && text[end] !== '.' && text[end] !== '[') end++;
      if (end === at + 1) return undefined;
      steps.push(text.slice(at + 1, end));
      at = end;
    } else return undefined;
    if (steps.length > maxSteps) return undefined;
  }
  return steps.length === 0 ? undefined : steps;
}

/** The path as errors show it, to be put behind the path of the rule's own value; undefined when it is not valid. */
export function parseFieldPath(text: string, schema: JsonObject): string | undefined {
  const steps = stepsOf(text);
  if (steps === undefined) return undefined;
  let current: unknown = schema;
  let shown = '';
  for (const step of steps) {
    if (!isObject(current)) return undefined;
    const { properties, additionalProperties } = current;
    if (isObject(properties) && Object.hasOwn(properties, step)) {
      shown += `.${step}`;
      current = properties[step];
    } else if (isObject(additionalProperties)) {
      shown += `[${step}]`;
      current = additionalProperties;
    } else return undefined;
  }
  return shown;
}
