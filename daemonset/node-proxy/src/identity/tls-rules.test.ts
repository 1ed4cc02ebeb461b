import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createSecureContext, TLSSocket } from 'node:tls';
import { testCa } from '@ambit/identity/testing';
import { createTlsContext, type TlsContextOptions } from '@ambit/net';

/** What a client with these settings gets from a server with that context: protocol and key exchange, or the error code. */
async function handshake(
  rules: Pick<TlsContextOptions, 'allowTls12' | 'onlyPostQuantum'>,
  client: { readonly ecdhCurve?: string; readonly maxVersion?: 'TLSv1.2' },
): Promise<string> {
  const ca = testCa();
  const certificate = await ca.issue('spiffe://cluster.local/ns/shop/sa/a');
  const { secureContext } = createTlsContext({ ...certificate, ...rules });
  const server = createServer((socket) => {
    const tls = new TLSSocket(socket, { isServer: true, secureContext });
    tls.on('error', () => socket.destroy());
    socket.on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const socket = connect({
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      secureContext: createSecureContext({ ca: ca.rootPem, ...client }),
      checkServerIdentity: () => undefined,
    });
    await once(socket, 'secureConnect');
    const text = socket.getProtocol() ?? '';
    socket.destroy();
    return text;
  } catch {
    return 'refused';
  } finally {
    server.close();
  }
}

test('TLS 1.2 is taken only when it is allowed', async () => {
  assert.equal(await handshake({}, {}), 'TLSv1.3');
  assert.equal(await handshake({}, { maxVersion: 'TLSv1.2' }), 'refused');
  assert.equal(await handshake({ allowTls12: true }, { maxVersion: 'TLSv1.2' }), 'TLSv1.2');
});

test('under the post-quantum policy every other key exchange is refused', async () => {
  assert.equal(await handshake({ onlyPostQuantum: true }, { ecdhCurve: 'X25519MLKEM768' }), 'TLSv1.3');
  assert.equal(await handshake({ onlyPostQuantum: true }, { ecdhCurve: 'X25519' }), 'refused');
  assert.equal(await handshake({}, { ecdhCurve: 'X25519' }), 'TLSv1.3');
});
