import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';
import { verifyHost } from './verify-host.ts';

const dedicated = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'ns/pod/sa' };
const withResolver = (text: string) => (path: string) => (path === '/etc/resolv.conf' ? text : undefined);

test('a DNS proxy without a name server does not start; switched off it is not missed', () => {
  const none = withResolver('search example.com\n');
  assert.throws(() => verifyHost(readConfig(dedicated, none)), { code: 'ERR_NODE_PROXY_CONFIG' });
  verifyHost(readConfig({ ...dedicated, ISTIO_META_DNS_CAPTURE: 'false' }, none));
  verifyHost(readConfig(dedicated, withResolver('nameserver 10.0.0.10\n')));
});
