// Component test of connecting: TLS roots, names, tokens, and peers that do not behave.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type ServerHttp2Stream, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import { createBackoff } from '@ambit/runtime/backoff';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { type CredentialsSource, anyHandler, createXdsClient, fileCredentials } from '../index.ts';
import { createResourceTable } from '../server.ts';
import { selfSigned, startTestXdsServer } from '../testing/index.ts';

const TYPE = 'type.googleapis.com/test.Thing';

function connectTo(address: string, credentials: CredentialsSource, connectTimeoutMs = 2000) {
  const log = createCapturingLogger();
  const ended = Promise.withResolvers<string>();
  const client = createXdsClient({
    address,
    credentials,
    connectTimeoutMs,
    node: { id: 'ztunnel~10.0.0.1~a.b~b.svc.cluster.local' },
    subscriptions: [{ handler: anyHandler({ typeUrl: TYPE, decode: String, apply: () => [] }), mode: 'wildcard' }],
    log,
    backoff: createBackoff({ initialMs: 20, maxMs: 20 }),
    onTermination: (reason) => ended.resolve(reason),
  });
  return { client, log, ended: ended.promise };
}

test('over TLS the server is verified with the roots of the file, and the token is read for each stream', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ambit-t-xds-'));
  try {
    const { certPem, keyPem } = selfSigned('istiod.test');
    await writeFile(join(dir, 'root.pem'), certPem);
    await writeFile(join(dir, 'token'), 'first');
    const seen: (string | undefined)[] = [];
    await using server = await startTestXdsServer([createResourceTable(TYPE)], {
      credentials: ServerCredentials.createSsl(null, [
        { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) },
      ]),
      authenticate: ({ header, isTls }) => {
        seen.push(header('authorization'), header('clusterid'), String(isTls));
        if (header('authorization') !== 'Bearer second') throw new Error('not yet');
        return { identities: ['spiffe://td/ns/b/sa/c'] };
      },
      authorize: () => undefined,
    });
    const { client, ended } = connectTo(
      server.address,
      fileCredentials({
        rootsPath: join(dir, 'root.pem'),
        tokenPath: join(dir, 'token'),
        clusterId: 'Kubernetes',
        serverName: 'istiod.test',
      }),
    );
    try {
      await ended;
      await writeFile(join(dir, 'token'), 'second');
      await client.synced;
      assert.deepEqual(seen.slice(0, 3), ['Bearer first', 'Kubernetes', 'true']);
    } finally {
      client.destroy();
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('a server with another root or another name is not talked to', async () => {
  const { certPem, keyPem } = selfSigned('istiod.test');
  await using server = await startTestXdsServer([createResourceTable(TYPE)], {
    credentials: ServerCredentials.createSsl(null, [
      { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) },
    ]),
  });
  const wrong: CredentialsSource[] = [
    async () => ({ roots: { pem: selfSigned('istiod.test').certPem }, serverName: 'istiod.test', headers: {} }),
    async () => ({ roots: { pem: certPem }, serverName: 'other.test', headers: {} }),
    async () => ({ roots: { pem: certPem }, headers: {} }),
  ];
  for (const credentials of wrong) {
    const { client, ended } = connectTo(server.address, credentials);
    assert.equal(await ended, 'ConnectionError');
    client.destroy();
  }
  assert.equal(server.xds.connections, 0);
});

test('a server reached by address needs a certificate for that address', async () => {
  const { certPem, keyPem } = selfSigned('127.0.0.1');
  await using server = await startTestXdsServer([createResourceTable(TYPE)], {
    credentials: ServerCredentials.createSsl(null, [
      { cert_chain: Buffer.from(certPem), private_key: Buffer.from(keyPem) },
    ]),
  });
  const { client } = connectTo(server.address, async () => ({ roots: { pem: certPem }, headers: {} }));
  try {
    await client.synced;
  } finally {
    client.destroy();
  }
});

test('unreadable credentials are a failed attempt with a clear line', async () => {
  const { client, log, ended } = connectTo('127.0.0.1:1', fileCredentials({ rootsPath: '/nowhere/root.pem' }));
  assert.equal(await ended, 'ConnectionError');
  assert.match(String(log.lines[0]?.fields['error']), /cannot read \/nowhere\/root\.pem\nwhy: ENOENT/u);
  client.destroy();
});

test('a peer that accepts and stays silent is given up after the connect timeout', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const { certPem } = selfSigned('x');
  const { client, log, ended } = connectTo(
    `127.0.0.1:${port}`,
    async () => ({ roots: { pem: certPem }, headers: {} }),
    100,
  );
  try {
    assert.equal(await ended, 'ConnectionError');
    assert.match(String(log.lines[0]?.fields['error']), /timed out after 100 ms/u);
  } finally {
    client.destroy();
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});

test('a peer that answers with bytes that are no response ends the stream, and the client lives', async () => {
  const hostile = createHttp2Server();
  hostile.on('sessionError', () => undefined);
  hostile.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(Buffer.from([0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]));
  });
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve));
  const { port } = hostile.address() as AddressInfo;
  const { client, ended } = connectTo(`127.0.0.1:${port}`, async () => ({ roots: 'plaintext', headers: {} }));
  try {
    assert.ok(['Error', 'Reconnect'].includes(await ended));
  } finally {
    client.destroy();
    hostile.close();
  }
});
