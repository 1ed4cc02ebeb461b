// In: values and the chart that is to get them. Out: nothing, or an error that names every problem (INS-1). Called by render.ts.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { ChartError } from '../errors.ts';
import { type Dictionary, isDictionary } from '../template/values.ts';
import { type ChartName, valueSchemas } from '../values/index.ts';
import { refusedValues } from '../values/refused.ts';

const internal = '_internal_defaults_do_not_set';

/** The schema as `values.schema.json` has it: Helm checks the chart's own defaults too. */
export function schemaOf(chart: ChartName): Record<string, unknown> {
  const schema = JSON.parse(JSON.stringify(valueSchemas[chart])) as { properties: Record<string, unknown> };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Values of the chart ${chart}`,
    ...schema,
    properties: {
      ...schema.properties,
      [internal]: { type: 'object', description: 'Defaults; set the fields at the root instead.' },
      enabled: { type: 'boolean' },
    },
  };
}

const compiled = new Map<ChartName, ValidateFunction>();

function validatorOf(chart: ChartName): ValidateFunction {
  const validate = compiled.get(chart) ?? new Ajv({ allErrors: true, strict: false }).compile(schemaOf(chart));
  compiled.set(chart, validate);
  return validate;
}

function sentence(chart: ChartName, { instancePath, keyword, message, params }: ErrorObject): string {
  const path = instancePath.split('/').slice(1).join('.');
  if (keyword === 'additionalProperties') {
    const { additionalProperty } = params as { additionalProperty: string };
    const name = `${path === '' ? '' : `${path}.`}${additionalProperty}`;
    const reason = refusedValues[chart][name];
    return reason === undefined ? `${name} is no value of this chart` : `${name} is not supported (${reason})`;
  }
  const allowed =
    keyword === 'enum'
      ? ` (${(params as { allowedValues: readonly unknown[] }).allowedValues.map((value) => JSON.stringify(value)).join(', ')})`
      : '';
  return `${path === '' ? 'the values' : path} ${message ?? 'cannot be used'}${allowed}`;
}

/** Throws ERR_CHARTS_VALUES naming every problem. */
export function checkValues(chart: ChartName, values: Dictionary): void {
  const validate = validatorOf(chart);
  if (validate(values)) return;
  const problems = [
    ...new Set(
      (validate.errors ?? []).filter(({ keyword }) => keyword !== 'anyOf').map((error) => sentence(chart, error)),
    ),
  ];
  throw new ChartError('ERR_CHARTS_VALUES', `values do not fit the chart ${chart}: ${problems.join('; ')}`, {
    hint: `packages/charts/charts/${chart}/values.yaml lists what there is`,
  });
}

/** How the description of a value ends that existing files have and nothing reads. */
const NO_EFFECT = 'no effect.';

/** A value that somebody set and nothing reads. */
export interface IdleValue {
  readonly path: string;
  /** What the chart says of it. */
  readonly description: string;
}

interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
}

/** The values among those that were set which have no effect here, so that nobody relies on them. Pure. */
export function idleValues(chart: ChartName, values: Dictionary): readonly IdleValue[] {
  const found: IdleValue[] = [];
  const look = (given: Dictionary, schema: Described, prefix: string): void => {
    for (const [key, value] of Object.entries(given)) {
      const field = schema.properties?.[key];
      const description = field?.description ?? '';
      const path = `${prefix}${key}`;
      if (description.endsWith(NO_EFFECT)) found.push({ path, description });
      else if (field?.properties !== undefined && isDictionary(value)) look(value, field, `${path}.`);
    }
  };
  look(values, valueSchemas[chart] as Described, '');
  return found;
}
