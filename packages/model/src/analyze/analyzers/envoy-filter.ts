// envoyfilter.EnvoyPatchAnalyzer: patches whose effect depends on the order of filters, or that have none (IST0151 to IST0155).
import { type Json, mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { type Message, type MessageCode, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

const TEXTS = {
  IST0151:
    'This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the EnvoyFilter not to be applied. Using the INSERT_FIRST of ADD option or setting the priority may help in ensuring the EnvoyFilter is applied correctly.',
  IST0152: 'The REPLACE operation is only valid for HTTP_FILTER and NETWORK_FILTER.',
  IST0153: 'The ADD operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
  IST0154: 'The REMOVE operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
  IST0155:
    'This EnvoyFilter does not have a priority and has a relative patch operation (NSTERT_BEFORE/AFTER, REPLACE, MERGE, DELETE) and proxyVersion set which can cause the EnvoyFilter not to be applied during an upgrade. Using the INSERT_FIRST or ADD option or setting the priority may help in ensuring the EnvoyFilter is applied correctly.',
} as const satisfies Partial<Record<MessageCode, string>>;

const FIXED_PLACES = new Set(['ROUTE_CONFIGURATION', 'HTTP_ROUTE']);
const REPLACEABLE = new Set(['NETWORK_FILTER', 'HTTP_FILTER', 'VIRTUAL_HOST']);

/** See the file's comment. */
export const envoyFilterAnalyzer: Analyzer = {
  name: 'envoyfilter.EnvoyPatchAnalyzer',
  description: 'Checks an envoyFilters ',
  inputs: ['EnvoyFilter'],
  analyze: ({ objects }, report) => {
    // Names of filters that an earlier patch changes for one proxy version only.
    const versioned = new Set<string>();
    for (const filter of objects.all('EnvoyFilter')) checkFilter(filter, versioned, report);
  },
};

function checkFilter(filter: Subject, versioned: Set<string>, report: (message: Message) => void): void {
  const hasPriority = (filter.spec['priority'] ?? 0) !== 0;
  for (const [index, entry] of mapsOf(filter.spec['configPatches']).entries()) {
    const patch = optionalMap(entry['patch']);
    if (patch === undefined) break;
    const name = nameOf(entry, patch);
    const code = codeOf(textOf(patch['operation']), textOf(entry['applyTo']));
    const isVersioned = versioned.has(name);
    if (code !== undefined && (code !== 'IST0151' || !hasPriority)) {
      const told = code === 'IST0151' && isVersioned ? 'IST0155' : code;
      report(messageOf(told, filter, TEXTS[told], `.spec.configPatches[${index}].patch.value`));
    }
    if (textOf(mapOf(mapOf(entry['match'])['proxy'])['proxyVersion']) !== '') versioned.add(name);
  }
}

function codeOf(operation: string, applyTo: string): keyof typeof TEXTS | undefined {
  switch (operation) {
    case 'ADD':
      return FIXED_PLACES.has(applyTo) ? 'IST0153' : undefined;
    case 'REMOVE':
      return FIXED_PLACES.has(applyTo) ? 'IST0154' : 'IST0151';
    case 'REPLACE':
      return REPLACEABLE.has(applyTo) ? 'IST0151' : 'IST0152';
    case 'INSERT_BEFORE':
    case 'INSERT_AFTER':
      return 'IST0151';
    default:
      return undefined;
  }
}

/** What the patch is about: the name in its value, else the filter that it matches. */
function nameOf(entry: Json, patch: Json): string {
  const value = optionalMap(patch['value']);
  if (value === undefined || Object.keys(value).length === 0) return '';
  if (value['name'] !== undefined) return `string_value:${quoted(textOf(value['name']))}`;
  const chain = mapOf(mapOf(mapOf(entry['match'])['listener'])['filterChain']);
  return textOf(mapOf(chain['filter'])['name']);
}
