import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IssuedToken, TokenRequest } from '@ambit/kube';
import type { OpenedCluster } from '../cluster/open.ts';
import { flowCredentials } from './flow-credentials.ts';

/** A cluster whose user has this token, and may or may not ask for others. */
function clusterOf(own: string | undefined, mayRequest: boolean) {
  const requests: TokenRequest[] = [];
  const api = {
    istioNamespace: 'istio-system',
    token: async () => own,
    get: async () => ({ data: { 'root-cert.pem': 'PEM' } }),
    requestToken: async (request: TokenRequest): Promise<IssuedToken> => {
      if (!mayRequest) throw new Error('anna cannot create serviceaccounts/token');
      requests.push(request);
      return { token: `issued-${requests.length}`, endsAtMs: requests.length * 3_600_000 };
    },
  };
  return { api: api as unknown as OpenedCluster, requests };
}

test('the token of the kubeconfig is taken where there is one', async () => {
  const { api, requests } = clusterOf('own', true);
  const credentials = await flowCredentials(api);
  assert.ok(typeof credentials !== 'string');
  assert.deepEqual([await credentials.token(), credentials.rootPem, requests.length], ['own', 'PEM', 0]);
});

test('without one a token for flows alone is asked for, and again before it ends', async () => {
  const { api, requests } = clusterOf(undefined, true);
  let nowMs = 0;
  const credentials = await flowCredentials(api, () => nowMs);
  assert.ok(typeof credentials !== 'string');
  assert.equal(await credentials.token(), 'issued-1');
  assert.deepEqual(requests[0]?.audiences, ['flows.telemetry.ambit.io']);
  assert.equal(credentials.hasEnded(), false);
  nowMs = 3_400_000;
  assert.equal(await credentials.token(), 'issued-2');
  nowMs = 7_200_000;
  assert.equal(credentials.hasEnded(), true);
});

test('who may not ask for one is told so', async () => {
  const reason = await flowCredentials(clusterOf(undefined, false).api);
  assert.ok(typeof reason === 'string');
  assert.match(reason, /holds no bearer token.*cannot be had: anna cannot create/);
});
