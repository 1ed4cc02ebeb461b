// Rules for Telemetries (spec control-plane 10.2). Pure.
import { parse } from '@bufbuild/cel';
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, optionalMap, textOf } from './json.ts';
import { checkTargeting } from './selection.ts';

/** Checks a Telemetry. */
export function checkTelemetry(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings);
  for (const metrics of mapsOf(spec['metrics'])) checkMetrics(metrics, findings);
  checkTracing(mapsOf(spec['tracing']), findings);
  for (const logging of mapsOf(spec['accessLogging'])) {
    const filter = optionalMap(logging['filter']);
    const problem = filter && problemOfFilter(textOf(filter['expression']));
    if (problem !== undefined) findings.error(problem);
    checkProviders(logging, findings);
  }
}

function problemOfFilter(expression: string): string | undefined {
  try {
    parse(expression);
    return undefined;
  } catch (error) {
    return `must be a valid CEL expression, ERROR: ${error instanceof Error ? error.message : 'not readable'}`;
  }
}

function checkProviders(part: Json, { error }: Findings): void {
  if (mapsOf(part['providers']).some((provider) => textOf(provider['name']) === '')) {
    error('providers.name may not be empty');
  }
}

function checkTracing(tracing: readonly Json[], findings: Findings): void {
  const { error, warn } = findings;
  if (tracing.length > 1) warn('multiple tracing is not currently supported');
  for (const part of tracing) {
    if (listOf(part['providers']).length > 1) warn('multiple providers is not currently supported');
    checkProviders(part, findings);
    const share = numberOf(part['randomSamplingPercentage']);
    if (share < 0 || share > 100) error('randomSamplingPercentage must be in range [0.0, 100.0]');
    for (const [name, tag] of Object.entries(mapOf(part['customTags']))) checkTag(name, mapOf(tag), findings);
  }
}

function checkTag(name: string, tag: Json, { error }: Findings): void {
  if (name === '') error('tag name may not be empty');
  for (const [kind, field] of [
    ['literal', 'value'],
    ['header', 'name'],
    ['environment', 'name'],
  ] as const) {
    const source = optionalMap(tag[kind]);
    if (source !== undefined && textOf(source[field]) === '') error(`${kind} tag ${field} may not be empty`);
  }
}

function checkMetrics(metrics: Json, findings: Findings): void {
  const { error, warn } = findings;
  checkProviders(metrics, findings);
  for (const override of mapsOf(metrics['overrides'])) {
    for (const [name, value] of Object.entries(mapOf(override['tagOverrides']))) {
      const { operation = 'UPSERT', value: text = '' } = mapOf(value);
      if (name === '') warn('tagOverrides.name may not be empty');
      if (operation === 'UPSERT' && text === '') error('tagOverrides.value must be set when operation is UPSERT');
      if (operation === 'REMOVE' && text !== '') error('tagOverrides.value may only be set when operation is UPSERT');
    }
    if (mapOf(override['match'])['customMetric'] === '') error('customMetric may not be empty');
  }
}
