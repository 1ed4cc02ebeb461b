import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf } from '../testing/selectors.ts';
import { dashboards } from './dashboards.ts';
import { dashboardJson } from './panel.ts';

const panels = dashboards.flatMap((dashboard) => dashboard.rows.flatMap(({ panels: own }) => own));

test('an expression is read into its selectors and the labels it groups by', () => {
  const expression =
    'histogram_quantile(0.5, sum by (le, a_b) (rate(istio_x_bucket{reporter=~"source|waypoint",c!="5.."}[$__rate_interval]))) / sum(pilot_y)';
  assert.deepEqual(partsOf(expression), {
    selectors: [
      {
        metric: 'istio_x_bucket',
        matchers: [
          { label: 'reporter', operator: '=~', value: 'source|waypoint' },
          { label: 'c', operator: '!=', value: '5..' },
        ],
      },
      { metric: 'pilot_y', matchers: [] },
    ],
    groupedBy: ['le', 'a_b'],
  });
});

test('every panel says what it means, and every query names the series it draws', () => {
  for (const { title, about, queries } of panels) {
    assert.ok(about.length > 8, title);
    assert.ok(queries.length > 0, title);
    for (const { expr, legend } of queries) {
      const { groupedBy, selectors } = partsOf(expr);
      assert.ok(selectors.length > 0, expr);
      for (const label of groupedBy.filter((one) => one !== 'le')) assert.ok(legend.includes(`{{${label}}}`), expr);
      assert.ok(legend.length > 0, expr);
    }
  }
});

test('a counter is never drawn without a rate, nor a gauge with one', () => {
  for (const { expr } of panels.flatMap(({ queries }) => queries)) {
    for (const { metric } of partsOf(expr).selectors) {
      const isRated = expr.includes(`rate(${metric}`);
      const isCounter = /_(total|bucket)$/.test(metric);
      const isDifference = expr.includes('_opened_total') && expr.includes('_closed_total');
      if (isCounter && !isDifference) assert.ok(isRated, expr);
      if (!isCounter && isRated) assert.match(metric, /^(pilot|galley|citadel)_/, `${metric} counts without _total`);
    }
  }
});

test('requests are never counted by two reporters at once', () => {
  for (const { expr } of panels.flatMap(({ queries }) => queries)) {
    for (const { metric, matchers } of partsOf(expr).selectors.filter((one) =>
      one.metric.startsWith('istio_request'),
    )) {
      const reporter = matchers.find(({ label }) => label === 'reporter')?.value ?? '';
      assert.ok(['source|waypoint', 'destination|waypoint'].includes(reporter), `${metric}: ${expr}`);
    }
  }
});

test('ids are unique, panels do not overlap, and every query asks the chosen data source', () => {
  const uids = dashboards.map(({ uid }) => uid);
  assert.equal(new Set(uids).size, uids.length);
  for (const dashboard of dashboards) {
    const json = dashboardJson(dashboard) as {
      panels: {
        id: number;
        gridPos: { x: number; y: number; w: number; h: number };
        targets?: { datasource: { uid: string } }[];
      }[];
    };
    assert.equal(new Set(json.panels.map(({ id }) => id)).size, json.panels.length);
    const cells = json.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    assert.equal(new Set(cells).size, cells.length, dashboard.uid);
    for (const target of json.panels.flatMap(({ targets = [] }) => targets))
      assert.equal(target.datasource.uid, '$datasource');
  }
});

test('every variable that a query reads is declared', () => {
  for (const { uid, rows, variables } of dashboards) {
    const names = new Set(variables.map(({ name }) => `$${name}`));
    for (const { expr } of rows.flatMap(({ panels: own }) => own.flatMap(({ queries }) => queries)))
      for (const [used] of expr.replaceAll('$__rate_interval', '').matchAll(/\$\w+/g))
        assert.ok(names.has(used), `${uid}: ${expr}`);
  }
});
