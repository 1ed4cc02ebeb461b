// What a big configuration weighs and how fast a change is applied, measured in a process of its own. Out: figures. Used by suite.ts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { BenchFigure } from '../report.ts';

/** 1,000 services with 10,000 endpoints: heap of a data thread, load time, and a changed route until it decides. */
export function scaleFigures(): BenchFigure[] {
  const script = join(import.meta.dirname, '../../../waypoint/src/testing/bench-scale.ts');
  const child = spawnSync(process.execPath, ['--expose-gc', '--conditions=@ambit/source', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const found = JSON.parse(child.stdout) as Record<'heapMb' | 'loadMs' | 'changeMs', number>;
  const path = '1,000 services, 10,000 endpoints';
  const figure = (quantity: string, unit: string, value: number): BenchFigure => ({
    quantity,
    unit,
    path,
    median: value,
    rounds: [value],
    ratio: undefined,
  });
  return [
    figure('heap of a data thread', 'MB', found.heapMb),
    figure('configuration loaded', 'ms', found.loadMs),
    figure('route change applied', 'ms', found.changeMs),
  ];
}
