// Building blocks of Grafana dashboards. In: titles, units, queries. Out: Grafana's JSON (schema version 39). Pure. Called by
// dashboards.ts; the generator writes the files.

/** One query of a panel. `legend` names its series with labels in double braces. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** What a panel shows. */
export interface Panel {
  readonly title: string;
  /** What it means and what to do when it is bad; shown as the panel's help. */
  readonly about: string;
  readonly unit: 'reqps' | 'cps' | 'percentunit' | 'Bps' | 'bytes' | 'ms' | 's' | 'short' | 'dtdurations';
  readonly shape?: 'stat' | 'timeseries' | 'table';
  readonly queries: readonly Query[];
}

/** A variable of a dashboard: the values of one label. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  /** `label_values(metric, label)` as Grafana's Prometheus source reads it. */
  readonly metric: string;
  readonly of: string;
}

/** A dashboard before it becomes JSON. */
export interface Dashboard {
  /** Also the name of its file. */
  readonly uid: string;
  readonly title: string;
  readonly about: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const width = 8;
const height = 8;
const perRow = 3;
const source = { type: 'prometheus', uid: '$datasource' };

function panelJson(panel: Panel, id: number, x: number, y: number): object {
  const { shape = 'timeseries' } = panel;
  return {
    id,
    type: shape,
    title: panel.title,
    description: panel.about,
    datasource: source,
    gridPos: { x, y, w: width, h: height },
    fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
    options:
      shape === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] } }
        : shape === 'timeseries'
          ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } }
          : {},
    targets: panel.queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      expr,
      legendFormat: legend,
      datasource: source,
      ...(shape === 'table' ? { format: 'table', instant: true } : {}),
    })),
  };
}

const variableJson = ({ name, label, metric, of }: Variable): object => ({
  name,
  label,
  type: 'query',
  datasource: source,
  query: `label_values(${metric}, ${of})`,
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
});

/** The JSON that Grafana imports. */
export function dashboardJson(dashboard: Dashboard): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of dashboard.rows) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: width * perRow, h: 1 },
    });
    y += 1;
    for (const [index, panel] of row.panels.entries())
      panels.push(
        panelJson(panel, panels.length + 1, (index % perRow) * width, y + Math.floor(index / perRow) * height),
      );
    y += Math.ceil(row.panels.length / perRow) * height;
  }
  return {
    uid: dashboard.uid,
    title: dashboard.title,
    description: dashboard.about,
    tags: ['ambit', 'service-mesh'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-30m', to: 'now' },
    refresh: '15s',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        ...dashboard.variables.map(variableJson),
      ],
    },
    panels,
  };
}
