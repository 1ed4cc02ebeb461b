import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchesOf, connectionCounts, regressionOf } from './batches.ts';

test('batches are a number or a share of the nodes, never empty', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  assert.deepEqual(batchesOf(nodes, '2'), [['a', 'b'], ['c', 'd'], ['e']]);
  assert.deepEqual(
    batchesOf(nodes, '10%').map((batch) => batch.length),
    [1, 1, 1, 1, 1],
  );
  assert.deepEqual(batchesOf(nodes, '100%'), [nodes]);
  for (const size of ['0', '-1', 'x', '120%']) assert.throws(() => batchesOf(nodes, size), { code: 'ERR_CLI_INVALID' });
});

test('counters of the source side are added up', () => {
  const text = [
    'istio_tcp_connections_opened_total{reporter="source",a="1"} 10',
    'istio_tcp_connections_opened_total{reporter="destination",a="1"} 10',
    'istio_tcp_connections_failed_total{reporter="source",response_flags="DENY"} 2',
    '# HELP x y',
  ].join('\n');
  assert.deepEqual(connectionCounts(text), { failed: 2, opened: 10 });
});

test('a rollout pauses when failures rise, not for noise', () => {
  assert.equal(regressionOf({ failed: 0, opened: 1000 }, { failed: 3, opened: 10 }), undefined);
  assert.match(
    regressionOf({ failed: 0, opened: 1000 }, { failed: 10, opened: 90 }) ?? '',
    /10 connections failed of 100/,
  );
  assert.equal(regressionOf({ failed: 100, opened: 900 }, { failed: 15, opened: 85 }), undefined);
});
