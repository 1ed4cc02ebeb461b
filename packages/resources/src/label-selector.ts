// In: a label selector and labels. Out: whether they match. Pure. Called by the model, the node agent and the local cluster.
import type { LabelSelector } from './object-meta.ts';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** One entry of `matchExpressions`. */
export interface LabelExpression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly unknown[];
}

/** Whether one expression holds; an unknown operator never does. */
export function matchesExpression({ key, operator, values = [] }: LabelExpression, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}

/** True when every part of the selector holds; an empty selector matches everything. */
export function matchesLabelSelector(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  return (selector.matchExpressions ?? []).every((expression) => matchesExpression(expression, labels));
}
