// In: the name of a chart of this package. Out: its files. Reads them once. Called by render.ts.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ChartError } from '../errors.ts';
import type { Dictionary } from '../template/values.ts';

/** A chart as it lies on disk. */
export interface Chart {
  readonly name: string;
  readonly version: string;
  readonly appVersion: string;
  /** Default values, `_internal_defaults_do_not_set` included. */
  readonly values: Dictionary;
  /** Templates by path, sorted; NOTES.txt is not among them. */
  readonly templates: ReadonlyMap<string, string>;
  /** Other files by path (`files/...`). */
  readonly files: ReadonlyMap<string, string>;
}

/** Folder that holds the charts, from sources and from emitted JavaScript. */
export function chartsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new ChartError('ERR_CHARTS_TEMPLATE', 'the charts of this package are missing', {
        hint: 'install it again',
      });
    folder = parent;
  }
  return join(folder, 'charts');
}

const loaded = new Map<string, Chart>();

const filesOf = (folder: string, pattern: string): ReadonlyMap<string, string> =>
  new Map(
    globSync(pattern, { cwd: folder })
      .toSorted()
      .map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
  );

/** The chart of that name. */
export function loadChart(name: string): Chart {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const folder = join(chartsFolder(), name);
  const { version, appVersion } = parse(readFileSync(join(folder, 'Chart.yaml'), 'utf8')) as {
    version: string;
    appVersion: string;
  };
  const chart: Chart = {
    name,
    version,
    appVersion,
    values: parse(readFileSync(join(folder, 'values.yaml'), 'utf8')) as Dictionary,
    templates: filesOf(folder, 'templates/*.{yaml,tpl}'),
    files: filesOf(folder, 'files/*'),
  };
  loaded.set(name, chart);
  return chart;
}
