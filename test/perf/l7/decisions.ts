// How long a route decision takes with many routes, and what a big configuration weighs. In: nothing. Out: figures. Used by suite.ts.
import { create } from '@bufbuild/protobuf';
import { compileRouteTable, HeaderList, noPeer, type RequestView } from '@ambit/l7';
import { RouteTableSchema } from '@ambit/proto/waypoint';
import { type BenchFigure, median } from '../report.ts';

const ROUNDS = 5;
const TIMES = 2000;

const view = (path: string): RequestView => ({
  peer: noPeer,
  sourceIp: '10.0.0.1',
  remoteIp: '10.0.0.1',
  destinationIp: undefined,
  port: 80,
  sni: undefined,
  method: 'GET',
  scheme: 'http',
  authority: 'bench',
  path,
  query: undefined,
  headers: HeaderList.fromRaw(['host', 'bench', 'accept', '*/*']),
});

const tableOf = (count: number) =>
  create(RouteTableSchema, {
    routes: Array.from({ length: count }, (_one, index) => ({
      name: `r${index}`,
      matches: [
        {
          path: { m: { case: 'prefix' as const, value: `/team-${index % 100}/service-${index}` } },
          segmentPrefix: true,
        },
      ],
      action: { case: 'forward' as const, value: { targets: [{ backend: 'b', weight: 1 }] } },
    })),
  });

/** Time of one decision, and of compiling the table, for 100 and 10,000 routes. */
export function decisionFigures(): BenchFigure[] {
  return [100, 10_000].flatMap((count) => {
    const message = tableOf(count);
    const compiledMs: number[] = [];
    let table = compileRouteTable(message);
    for (let round = 0; round < ROUNDS; round++) {
      const startedMs = performance.now();
      table = compileRouteTable(message);
      compiledMs.push(performance.now() - startedMs);
    }
    const requests = Array.from({ length: TIMES }, (_one, index) => {
      const route = (index * 7919) % count;
      return view(`/team-${route % 100}/service-${route}/items`);
    });
    const decide = (): number => {
      const startedMs = performance.now();
      for (const request of requests) table.select(request, () => 0);
      return ((performance.now() - startedMs) * 1000) / TIMES;
    };
    decide();
    const rounds = Array.from({ length: ROUNDS }, decide);
    const path = `${count} routes`;
    return [
      { quantity: 'route decision', unit: 'us', path, median: median(rounds), rounds, ratio: undefined },
      {
        quantity: 'table compiled',
        unit: 'ms',
        path,
        median: median(compiledMs),
        rounds: compiledMs,
        ratio: undefined,
      },
    ];
  });
}
