// In: the text of AMBIENT_ENABLEMENT_SELECTOR. Out: selectors. Pure. Called by app.ts at start.
import type { LabelSelector } from '@ambit/resources';
import { parse } from 'yaml';
import { NodeAgentError } from '../errors.ts';
import { type EnablementSelector, standardSelectors } from './eligible.ts';

const lengthLimit = 64 * 1024;

function selectorOf(value: unknown, where: string): LabelSelector {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new NodeAgentError('ERR_NODE_AGENT_CONFIG', `AMBIENT_ENABLEMENT_SELECTOR: ${where} must be a label selector`);
  }
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
    list = parse(text);
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
