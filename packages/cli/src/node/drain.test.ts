import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carriedText } from './drain.ts';

const pod = (name: string, inbound: number, outbound: number) => ({
  info: { namespace: 'shop', name },
  connections: {
    inbound: Array.from({ length: inbound }, () => ({})),
    outbound: Array.from({ length: outbound }, () => ({})),
  },
});

test('what a drain would leave to the old proxy is named by pod, most connections first', () => {
  assert.equal(carriedText({ pods: [pod('idle', 0, 0)] }), 'no connection is open');
  assert.equal(
    carriedText({ pods: [pod('a', 1, 0), pod('b', 2, 3), pod('c', 1, 1)] }, 2),
    '8 connections are open: shop/b 5, shop/c 2, 1 more pods',
  );
});
