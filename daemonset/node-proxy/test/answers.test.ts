// What a pod tells a peer about itself, and what it counts of names it had to resolve (spec/node-proxy.md 2.5, 13.3, 13.5).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectH2, type IncomingHttpHeaders } from 'node:http2';
import { createServer, type Server } from 'node:net';
import { suite, test } from 'node:test';
import { createCertificateAuthority, createSelfSignedRoot, issueLocally, type SignerMaterial } from '@ambit/identity';
import { parseProxyHeader, PROXY_TLV_IDENTITY } from '@ambit/net';
import { connectOutbound } from '../src/outbound/connect.ts';
import { partyOf } from '../src/telemetry/party.ts';
import { startTestPod, type TestPod } from './pod-fixture.ts';

const ip = '127.79.0.1';
const state = `
workloads:
- uid: s
  name: server
  namespace: shop
  serviceAccount: server
  trustDomain: cluster.local
  workloadIps: ["${ip}"]
  protocol: HBONE
  workloadName: server
  workloadType: deployment
  canonicalName: shop-server
  canonicalRevision: v2
  clusterId: east
  locality: { region: r1, zone: z1 }
  services: {}
`;
const material: SignerMaterial = createSelfSignedRoot({ trustDomain: 'cluster.local', now: Date.now() - 60_000 });

const closing = (server: Server): Disposable => ({ [Symbol.dispose]: () => void server.close() });

/** Opens a tunnel as `shop/client`, hands it to `use`, and ends it. */
async function withTunnel<T>(
  pod: TestPod,
  authority: string,
  use: (stream: ClientHttp2Stream, headers: IncomingHttpHeaders) => T | Promise<T>,
): Promise<T> {
  const own = await issueLocally(createCertificateAuthority({ material }), [
    'spiffe://cluster.local/ns/shop/sa/client',
  ]);
  const h2 = connectH2(`https://${pod.ip}:${pod.port}`, {
    cert: own.certChainPem,
    key: own.privateKeyPem,
    ca: material.rootPem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
  });
  try {
    const stream = h2.request({ ':method': 'CONNECT', ':authority': authority });
    stream.on('error', () => undefined);
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    return await use(stream, headers);
  } finally {
    h2.destroy();
  }
}

async function answerOf(pod: TestPod, authority: string): Promise<IncomingHttpHeaders> {
  return withTunnel(pod, authority, (_, headers) => headers);
}

suite('13.3 sandwich', { timeout: 60_000 }, () => {
  test('behind a PROXY tunnel the application gets the header first, with the client, the address asked for and the identity', async () => {
    const received = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    const application = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        if (bytes.toString('latin1').endsWith('hello')) received.resolve(bytes);
      });
    });
    await once(application.listen(0, ip), 'listening');
    using _application = closing(application);
    const { port } = application.address() as { port: number };
    const behindTunnel = `${state}  applicationTunnel: { protocol: PROXY, port: ${port} }\n`;
    await using pod = await startTestPod(ip, behindTunnel, material);
    // Neither the address nor the port is the application's: the tunnel's port is used, and the header tells what was asked for.
    const bytes = await withTunnel(pod, '10.9.9.9:4321', async (stream, headers) => {
      assert.equal(headers[':status'], 200);
      stream.write('hello');
      return received.promise;
    });
    const header = parseProxyHeader(bytes);
    assert.ok(header !== undefined);
    assert.equal(bytes.subarray(header.length).toString(), 'hello');
    assert.deepEqual(header.destination, { ip: '10.9.9.9', port: 4321 });
    assert.equal(header.source?.ip.startsWith('127.'), true);
    assert.deepEqual(
      header.tlvs.map(({ type, value }) => [type, value.toString()]),
      [[PROXY_TLV_IDENTITY, 'spiffe://cluster.local/ns/shop/sa/client']],
    );
  });
});

suite('13.5 response baggage', { timeout: 60_000 }, () => {
  for (const [flag, baggage] of [
    [
      'true',
      'k8s.cluster.name=east,k8s.namespace.name=shop,k8s.deployment.name=server,service.name=shop-server,service.version=v2,cloud.region=r1,cloud.availability_zone=z1',
    ],
    ['false', undefined],
  ] as const) {
    test(`ENABLE_RESPONSE_BAGGAGE=${flag}: ${baggage === undefined ? 'none' : 'the workload describes itself'}`, async () => {
      await using pod = await startTestPod(ip, state, material, { ENABLE_RESPONSE_BAGGAGE: flag });
      const accepted = await answerOf(pod, `${ip}:8080`);
      assert.equal(accepted[':status'], 200);
      assert.equal(accepted['baggage'], baggage);
      for (const [authority, status] of [
        ['10.9.9.9:80', 400],
        [`${ip}:9`, 503],
      ] as const) {
        const refused = await answerOf(pod, authority);
        assert.equal(refused[':status'], status);
        assert.equal(refused['baggage'], undefined);
      }
    });
  }
});

suite('13.3 on-demand DNS', { timeout: 60_000 }, () => {
  test('each connection to a workload with only a host name counts, also when the answer is known already', async () => {
    await using pod = await startTestPod(ip, state, material);
    const server = createServer((socket) => socket.on('error', () => undefined).end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    using _server = closing(server);
    const { port } = server.address() as { port: number };
    const source = pod.context.state.findOwn(pod.context.pod.workload);
    assert.ok(source !== undefined);
    for (let count = 0; count < 2; count += 1) {
      const target = { kind: 'hostname', hostname: 'localhost', port, family: 4, workload: 'h' } as const;
      const { endpoint } = await connectOutbound(
        { kind: 'tcp', target, facts: { source: partyOf(source), mutualTls: false } },
        { context: pod.context, source, sourceIp: ip, headers: {}, signal: new AbortController().signal },
      );
      endpoint.destroy(new Error('the test needs no more'));
    }
    const [counted, ...more] = pod.context.onDemandDns.take();
    assert.deepEqual(more, []);
    assert.equal(counted?.count, 2);
    assert.equal(counted?.labels.at(-1), 'localhost');
  });
});
