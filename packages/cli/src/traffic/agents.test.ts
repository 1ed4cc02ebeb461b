import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentReading, agentRows } from './agents.ts';

const reading = (pod: string, lines: readonly string[]): AgentReading => ({
  node: `node-of-${pod}`,
  pod,
  version: '1.0.0',
  text: lines.join('\n'),
});
const lag = (bound: string, count: number): string =>
  `ambit_agent_eventloop_lag_seconds_bucket{le="${bound}",thread="main"} ${count}`;

test('figures are of the interval, heaviest first; a restarted proxy counts from zero, a silent one shows no figure', () => {
  const before = [
    reading('a', ['process_cpu_seconds_total 10', lag('0.01', 100), lag('0.02', 100), lag('+Inf', 100)]),
    reading('b', ['process_cpu_seconds_total 100']),
    reading('c', []),
  ];
  const after = [
    reading('a', [
      '# TYPE process_cpu_seconds_total counter',
      'process_cpu_seconds_total 10.5',
      'process_resident_memory_bytes 104857600',
      lag('0.01', 100),
      lag('0.02', 200),
      lag('+Inf', 200),
    ]),
    reading('b', ['process_cpu_seconds_total 4']),
    reading('c', []),
  ];
  const [first, second, third] = agentRows(before, after, 5);
  assert.deepEqual([first?.pod, first?.cpuPercent], ['b', 80]);
  assert.deepEqual(
    [second?.pod, second?.cpuPercent, second?.memoryMiB, second?.lagP99Ms, second?.series],
    ['a', 10, 100, 19.9, 5],
  );
  assert.deepEqual(third, { node: 'node-of-c', pod: 'c', version: '1.0.0', series: 0 });
});
