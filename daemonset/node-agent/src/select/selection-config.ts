// In: the text of AMBIENT_ENABLEMENT_SELECTOR. Out: selectors. Pure. Called by app.ts at start.
import type { LabelSelector } from '@ambit/resources';
import { parse } from 'yaml';
import { NodeAgentError } from '../errors.ts';
import { type EnablementSelector, standardSelectors } from './eligible.ts';

const lengthLimit = 64 * 1024;

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

/** Operators of an expression, and whether they take values. */
const takesValues: ReadonlyMap<unknown, boolean> = new Map([
  ['In', true],
  ['NotIn', true],
  ['Exists', false],
  ['DoesNotExist', false],
]);

/** What is wrong with an expression; undefined when nothing is. An expression that can never hold would leave pods out of the mesh unsaid. */
function faultOfExpression(expression: unknown): string | undefined {
  const { key, operator, values } = fieldsOf(expression) ?? {};
  if (typeof key !== 'string' || key === '') return 'has no key';
  const needed = takesValues.get(operator);
  if (needed === undefined) return 'has an operator other than In, NotIn, Exists and DoesNotExist';
  const list: unknown = values ?? [];
  if (!Array.isArray(list) || !list.every((each) => typeof each === 'string')) return 'has values that are no texts';
  if (needed !== list.length > 0) return needed ? 'has no values' : 'has values, which its operator does not take';
  return undefined;
}

function faultOfSelector(selector: Fields): string | undefined {
  const labels = fieldsOf(selector['matchLabels'] ?? {});
  if (labels === undefined || !Object.values(labels).every((value) => typeof value === 'string'))
    return '.matchLabels must be names with texts';
  const expressions: unknown = selector['matchExpressions'] ?? [];
  if (!Array.isArray(expressions)) return '.matchExpressions must be a list';
  const faults = expressions.map(faultOfExpression);
  const at = faults.findIndex((fault) => fault !== undefined);
  return at === -1 ? undefined : `.matchExpressions[${at}] ${faults[at]}`;
}

function selectorOf(value: unknown, where: string): LabelSelector {
  if (value === undefined || value === null) return {};
  const selector = fieldsOf(value);
  const fault = selector === undefined ? ' must be a label selector' : faultOfSelector(selector);
  if (fault !== undefined)
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', `AMBIENT_ENABLEMENT_SELECTOR: ${where}${fault}`);
  return value;
}

/** Reads the list; an empty text means the standard labels. Throws ERR_NODE_AGENT_CONFIG. */
export function parseSelectors(text: string): readonly EnablementSelector[] {
  if (text.trim() === '') return standardSelectors;
  if (text.length > lengthLimit)
    throw new NodeAgentError(
      'ERR_NODE_AGENT_CONFIG',
      `AMBIENT_ENABLEMENT_SELECTOR is longer than ${lengthLimit} characters`,
    );
  let list: unknown;
  try {
    // What YAML only warns of is no concern of this agent's error stream.
    list = parse(text, { logLevel: 'error' });
  } catch (cause) {
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', 'AMBIENT_ENABLEMENT_SELECTOR is not YAML', { cause });
  }
  if (!Array.isArray(list))
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', 'AMBIENT_ENABLEMENT_SELECTOR must be a list');
  return list.map((entry: unknown, index) => {
    const { podSelector, namespaceSelector } = (entry ?? {}) as { podSelector?: unknown; namespaceSelector?: unknown };
    return {
      podSelector: selectorOf(podSelector, `[${index}].podSelector`),
      namespaceSelector: selectorOf(namespaceSelector, `[${index}].namespaceSelector`),
    };
  });
}
