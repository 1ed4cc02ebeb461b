import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { LocalClusterError } from './errors.ts';
import { checkNetnsHost, checkPortFree } from './preflight.ts';

test(
  'missing tools are all named with the packages to install',
  { skip: process.getuid?.() !== 0 && 'asks for root first' },
  () => {
    assert.throws(
      () => checkNetnsHost(['/nowhere']),
      (error) =>
        error instanceof LocalClusterError &&
        error.code === 'ERR_LOCAL_CLUSTER_MISSING_TOOL' &&
        /ip, nft, unshare/.test(error.message) &&
        /iproute2 nftables/.test(error.hint ?? ''),
    );
  },
);

test('a taken port is named with the option that moves it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await assert.rejects(
    checkPortFree('127.0.0.1', port, '--api-port'),
    (error) =>
      error instanceof LocalClusterError &&
      error.code === 'ERR_LOCAL_CLUSTER_PORT_BUSY' &&
      (error.hint ?? '').includes('--api-port'),
  );
  server.close();
});
