import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, ServerCredentials } from '@grpc/grpc-js';

import { silentLogger } from '@ambit/runtime/log';

import { createCaClient } from './ca-client.ts';
import type { CaClientOptions } from './ca-client.ts';
import { createCaService } from './ca-service.ts';
import type { CaServiceOptions } from './ca-service.ts';
import { createPeerVerifier } from './peer.ts';
import { testCa } from './testing/index.ts';
import { certificatesOfPem } from './x509/pem.ts';

const cart = 'spiffe://cluster.local/ns/shop/sa/cart';
const own = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel';
const signal = new AbortController().signal;

interface Running {
  readonly ca: ReturnType<typeof testCa>;
  readonly options: CaClientOptions;
  readonly seenClusters: (string | undefined)[];
}

/** A CA on loopback that trusts the token `good` and lets it act for identities of namespace shop. */
async function withCa(
  run: (running: Running) => Promise<void>,
  change: Partial<CaServiceOptions<{ identities: string[] }>> = {},
): Promise<void> {
  const ca = testCa({ intermediates: 1 });
  const seenClusters: (string | undefined)[] = [];
  const service = createCaService<{ identities: string[] }>({
    authority: () => ca.authority,
    authenticate: ({ metadata }) =>
      Promise.resolve(String(metadata.get('authorization')[0]) === 'Bearer good' ? { identities: [own] } : undefined),
    impersonationRefusal: (_caller, requested, clusterId) => {
      seenClusters.push(clusterId);
      return Promise.resolve(requested.namespace === 'shop' ? undefined : 'no such pod on the node');
    },
    log: silentLogger,
    ...change,
  });
  const serving = await ca.issue('istiod.istio-system.svc');
  const server = new Server();
  server.addService(service.definition, service.implementation);
  const keys = { private_key: Buffer.from(serving.privateKeyPem), cert_chain: Buffer.from(serving.certChainPem) };
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [keys], false), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const options: CaClientOptions = {
    address: `https://127.0.0.1:${port}`,
    serverName: 'istiod.istio-system.svc',
    rootPem: () => ca.rootPem,
    token: () => 'good\n',
    clusterId: 'Kubernetes',
    ttlMs: 3_600_000,
    timeoutMs: 5000,
    log: silentLogger,
  };
  try {
    await run({ ca, options, seenClusters });
  } finally {
    server.forceShutdown();
  }
}

test('a node proxy gets a certificate for a workload identity', async () => {
  await withCa(async ({ ca, options, seenClusters }) => {
    const client = createCaClient(options);
    try {
      const certificate = await client.fetch(cart, { signal });
      assert.equal(certificate.identity, cart);
      assert.equal(Math.round((certificate.notAfter - Date.now()) / 60_000), 60);
      assert.deepEqual(seenClusters, ['Kubernetes']);
      const verify = createPeerVerifier({ roots: ca.rootPem, peerRole: 'server', expected: [cart] });
      const chain = certificatesOfPem(certificate.certChainPem);
      assert.equal(chain.length, 2);
      assert.equal(verify(chain).uri, cart);
    } finally {
      client.close();
    }
  });
});

test('without impersonation the caller gets its own identity', async () => {
  await withCa(async ({ options }) => {
    const client = createCaClient({ ...options, impersonate: false });
    try {
      assert.equal((await client.fetch(own, { signal })).identity, own);
      await assert.rejects(client.fetch(cart, { signal }), { code: 'ERR_IDENTITY_CA_BAD_RESPONSE' });
    } finally {
      client.close();
    }
  });
});

test('refusals carry the status of the CA, and no reason that helps an attacker', async () => {
  await withCa(async ({ options }) => {
    const cases = [
      [{ ...options, token: () => 'bad' }, cart, /UNAUTHENTICATED.*request authenticate failure/],
      [
        options,
        'spiffe://cluster.local/ns/other/sa/x',
        /UNAUTHENTICATED.*request impersonation authentication failure/,
      ],
      [options, 'spiffe://odd', /UNAUTHENTICATED.*request impersonation authentication failure/],
      [{ ...options, ttlMs: 400 * 24 * 3_600_000 }, cart, /INVALID_ARGUMENT.*CSR signing error/],
    ] as const;
    for (const [settings, identity, message] of cases) {
      const client = createCaClient(settings);
      try {
        await assert.rejects(client.fetch(identity, { signal }), { code: 'ERR_IDENTITY_CA_REFUSED', message });
      } finally {
        client.close();
      }
    }
  });
});

test('a CA that is not ready, fails, or proves another name is told apart', async () => {
  const fetchOnce = async (options: CaClientOptions): Promise<unknown> => {
    const client = createCaClient(options);
    try {
      return await client.fetch(cart, { signal });
    } finally {
      client.close();
    }
  };
  await withCa(
    async ({ options }) => {
      await assert.rejects(fetchOnce(options), {
        code: 'ERR_IDENTITY_CA_REFUSED',
        message: /INTERNAL.*CA is not ready/,
      });
    },
    { authority: () => undefined },
  );
  await withCa(async ({ options }) => {
    const unreachable = { code: 'ERR_IDENTITY_CA_UNREACHABLE' };
    await assert.rejects(fetchOnce({ ...options, serverName: 'other.example' }), unreachable);
    await assert.rejects(fetchOnce({ ...options, rootPem: () => testCa().rootPem }), unreachable);
    await assert.rejects(fetchOnce({ ...options, rootPem: () => 'nothing' }), unreachable);
    await assert.rejects(fetchOnce({ ...options, address: '127.0.0.1:1' }), unreachable);
  });
});

test('new roots are used at the next call', async () => {
  await withCa(async ({ ca, options }) => {
    let roots = testCa().rootPem;
    const client = createCaClient({ ...options, rootPem: () => roots });
    try {
      await assert.rejects(client.fetch(cart, { signal }), { code: 'ERR_IDENTITY_CA_UNREACHABLE' });
      roots = ca.rootPem;
      assert.equal((await client.fetch(cart, { signal })).identity, cart);
    } finally {
      client.close();
    }
  });
});
