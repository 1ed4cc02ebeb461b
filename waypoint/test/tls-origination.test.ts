// TLS of a DestinationRule through a real data plane, to servers on loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { WorkloadCertificate } from '@ambit/identity';
import { toDuplex } from '@ambit/net';
import { type BackendSchema, Backend_Kind, type ClientTlsSchema } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;
type Tls = Exclude<MessageInitShape<typeof ClientTlsSchema>, { $typeName: string }>;
type Backend = Exclude<MessageInitShape<typeof BackendSchema>, { $typeName: string }>;

describe('TLS towards backends', () => {
  let mesh: TestMesh;
  let name: string;
  let client: WorkloadCertificate;
  const ports = { h1: 0, h2: 0, tcp: 0 };
  const servers: { close(): unknown }[] = [];
  const seen: { servername: string | false | undefined; alpn: string | false | null; peer: boolean }[] = [];
  const note = (socket: TLSSocket): void =>
    void seen.push({
      servername: (socket as TLSSocket & { servername?: string | false }).servername,
      alpn: socket.alpnProtocol,
      peer: socket.authorized,
    });

  before(async () => {
    mesh = await startTestMesh();
    name = mesh.ca.identity('outside', 'server');
    const { certChainPem, privateKeyPem, rootsPem } = await mesh.ca.issue(name);
    client = await mesh.ca.issue(mesh.ca.identity('apps', 'egress'));
    const options = {
      cert: certChainPem,
      key: privateKeyPem,
      ca: rootsPem,
      requestCert: true,
      rejectUnauthorized: false,
    };
    const h1 = createServer(options, (_request, response) => response.end('over h1'));
    const h2 = createSecureServer(options, (_request, response) => void response.end('over h2'));
    const tcp = createTlsServer(options, (socket) => {
      socket.on('error', () => undefined);
      socket.end('raw');
    });
    for (const [kind, server] of [
      ['h1', h1],
      ['h2', h2],
      ['tcp', tcp],
    ] as const) {
      server.on('secureConnection', note);
      server.on('tlsClientError', () => undefined);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ports[kind] = (server.address() as AddressInfo).port;
      servers.push(server);
    }
    mesh.configure({ secrets: { roots: { body: { case: 'ca', value: { pem: Buffer.from(rootsPem.toString()) } } } } });
  });
  after(() => {
    mesh.close();
    for (const server of servers) server.close();
  });

  const use = (kind: keyof typeof ports, tls: Tls, more: Backend = {}): void =>
    mesh.configure({
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: kind === 'tcp' ? 4 : 1, backend: 'ext' }],
        },
      },
      backends: {
        ext: {
          hostname: 'server.example',
          kind: Backend_Kind.STATIC,
          protocol: kind === 'h2' ? 2 : 1,
          endpoints: [{ address: '127.0.0.1', port: ports[kind] }],
          tls: { mode: 1, ca: 'roots', autoSni: true, ...tls },
          ...more,
        },
      },
    });
  const get = () => mesh.get('/', { headers: { host: 'server.example:80' } });

  test('the host is the server name, the configured names are verified, the protocol is negotiated', async () => {
    use('h1', { sans: [name] });
    const response = await get();
    assert.deepEqual([response.status, response.body], [200, 'over h1']);
    assert.deepEqual(seen.at(-1), { servername: 'server.example', alpn: 'http/1.1', peer: false });
    use('h2', {}, { subjectAltNames: [name] });
    assert.equal((await get()).body, 'over h2');
    assert.equal(seen.at(-1)?.alpn, 'h2');
  });

  test('a client certificate is shown when the rule is mutual', async () => {
    use('h1', { mode: 2, certificate: 'pair', sans: [name] });
    const refused = await get();
    assert.equal(refused.status, 503);
    assert.match(mesh.accessLines.at(-1) ?? '', /TLS_error:_Secret_is_not_supplied_by_SDS/);
    const value = {
      certChainPem: Buffer.from(client.certChainPem.toString()),
      privateKeyPem: Buffer.from(client.privateKeyPem.toString()),
    };
    mesh.configure({ secrets: { pair: { body: { case: 'cert', value } } } });
    assert.equal((await get()).status, 200);
    assert.equal(seen.at(-1)?.peer, true);
  });

  test('a wrong name, unknown roots and missing roots end the connection; plain text is never spoken', async () => {
    for (const tls of [
      {},
      { sans: ['other.example'] },
      { sans: [name], ca: 'absent' },
      { sans: [name], ca: '', systemCa: true },
    ]) {
      use('h1', tls);
      const response = await get();
      assert.equal(response.status, 503);
      assert.match(mesh.accessLines.at(-1) ?? '', /TLS_error:/);
    }
    use('h1', { insecure: true, ca: '' });
    assert.equal((await get()).status, 200);
  });

  test('raw TCP gets TLS as well', async () => {
    use('tcp', { sans: [name] });
    const stream = toDuplex(await mesh.tunnel());
    let text = '';
    for await (const piece of stream) text += String(piece);
    assert.equal(text, 'raw');
  });
});
