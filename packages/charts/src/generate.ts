// In: the value schemas and the definitions of @ambit/resources. Out: the generated files of the charts: values.yaml,
// values.schema.json, templates/_ambit.tpl and the definitions; dashboards and scrape configuration beside the charts. Called by the root script `gen`; a test says when it has to run.
import { customResourceDefinitions } from '@ambit/resources';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { schemaOf } from './chart/check-values.ts';
import { chartsFolder } from './chart/load.ts';
import { dashboards } from './observability/dashboards.ts';
import { dashboardJson } from './observability/panel.ts';
import { scrapeConfig } from './observability/scrape-config.ts';
import { type ChartName, valueRoots, valueSchemas } from './values/index.ts';

interface FieldSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
}

/** YAML of defaults with a comment on every field. */
function defaultsText(
  properties: Readonly<Record<string, FieldSchema>>,
  indent: string,
  without: readonly string[],
): string {
  return Object.entries(properties)
    .filter(
      ([name, field]) => !without.includes(name) && (field.default !== undefined || field.properties !== undefined),
    )
    .map(([name, field]) => {
      const comment = field.description === undefined ? '' : `${indent}# ${field.description}\n`;
      if (field.properties !== undefined)
        return `${comment}${indent}${name}:\n${defaultsText(field.properties, `${indent}  `, [])}`;
      const text = stringify({ [name]: field.default }, { lineWidth: 0 }).trimEnd();
      return `${comment}${text
        .split('\n')
        .map((line) => indent + line)
        .join('\n')}\n`;
    })
    .join('');
}

function valuesFile(chart: ChartName): string {
  const { properties } = valueSchemas[chart] as unknown as { properties: Record<string, FieldSchema> };
  const { profile: _profile, ...rest } = properties;
  const root = valueRoots[chart];
  return `# Values of the chart ${chart}. Generated from packages/charts/src/values/${chart}.ts.
# Set a field at the root${root === undefined ? '' : `, or under "${root}" as existing files have it`}: --set FIELD=VALUE. Defaults stand under the key below
# because a profile and a platform come between them and what you set.
_internal_defaults_do_not_set:
${defaultsText(rest, '  ', root === undefined ? [] : [root])}`;
}

const SEPARATOR = '\n---\n';

const definitionsFile = (): string =>
  customResourceDefinitions()
    .filter((definition) => definition.metadata?.name?.endsWith('.istio.io') === true)
    .map((definition) =>
      stringify(definition, { lineWidth: 0, version: '1.1', aliasDuplicateObjects: false }).trimEnd(),
    )
    .join(SEPARATOR);

/** Folder of what is not a chart, from the folder of the charts. */
const beside = '../observability';

const scrapeFile = (): string =>
  `# Finds the pods of the mesh: merge it into the configuration of Prometheus. Generated from packages/charts/src/observability/scrape-config.ts.
${stringify(scrapeConfig, { lineWidth: 0 })}`;

/** Generated files by path below the folder of the charts. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const helpers = readFileSync(join(chartsFolder(), 'shared/_ambit.tpl'), 'utf8');
  for (const chart of Object.keys(valueSchemas) as ChartName[]) {
    files.set(`${chart}/values.yaml`, valuesFile(chart));
    files.set(`${chart}/values.schema.json`, `${JSON.stringify(schemaOf(chart), undefined, 2)}\n`);
    const named = helpers.replaceAll('CHART', chart).replaceAll('ROOT', valueRoots[chart] ?? 'unused');
    files.set(`${chart}/templates/_ambit.tpl`, named);
  }
  files.set('base/files/crds.gen.yaml', definitionsFile());
  for (const dashboard of dashboards)
    files.set(`${beside}/grafana/${dashboard.uid}.json`, `${JSON.stringify(dashboardJson(dashboard), undefined, 2)}\n`);
  files.set(`${beside}/prometheus.yaml`, scrapeFile());
  return files;
}

if (import.meta.main) for (const [path, text] of generatedFiles()) writeFileSync(join(chartsFolder(), path), text);
