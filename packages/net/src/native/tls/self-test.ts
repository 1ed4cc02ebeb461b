// The start-up check of the directly called OpenSSL: known answers, a handshake with itself, data both ways, a change of
// keys, and a flipped bit that must be noticed. In: nothing. Out: nothing, or an error. Run once per thread before the
// engine is used; about 10 ms.
import { generateKeyPairSync } from 'node:crypto';
import { NetError } from '../../errors.ts';
import { createBlockPool, HEADROOM_BYTES, Region } from '../../region.ts';
import { openssl, type OpenSsl } from './openssl.ts';
import { SslContext, sslFailed, withPem } from './ssl-context.ts';
import { CLOSE_NOTIFY, SslHandle, WANT_INPUT } from './ssl-handle.ts';

/** SHA-256 of "abc" (FIPS 180-4). */
const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const PAYLOAD_BYTES = 100_000;
const BLOCK = 64 * 1024;
const MAX_ROUNDS = 20;

/** Throws ERR_NET_NATIVE_UNAVAILABLE when anything is not as it must be. */
export function selfTest(): void {
  try {
    const { ssl } = openssl();
    knownAnswer(ssl);
    const options = selfSigned(ssl);
    const contexts = [new SslContext(options, 'client'), new SslContext(options, 'server')] as const;
    const client = new SslHandle(contexts[0], false);
    const server = new SslHandle(contexts[1], true);
    try {
      exercise(client, server);
    } finally {
      client.free();
      server.free();
    }
  } catch (cause) {
    if (NetError.is(cause) && cause.code === 'ERR_NET_NATIVE_UNAVAILABLE') throw cause;
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const pool = createBlockPool(BLOCK, 4);

function exercise(client: SslHandle, server: SslHandle): void {
  const done = { client: false, server: false };
  for (let round = 0; round < MAX_ROUNDS && !(done.client && done.server); round += 1) {
    done.client ||= client.handshake();
    for (const region of outputOf(client)) server.input(region);
    done.server ||= server.handshake();
    for (const region of outputOf(server)) client.input(region);
  }
  if (!done.client || !done.server) throw failed('the handshake does not end');
  if (client.alpn !== 'h2' || server.alpn !== 'h2') throw failed('no agreement on h2');
  if (client.peerChain().length !== 1 || server.peerChain().length !== 1) throw failed('certificates are missing');
  // What the last handshake messages left behind is used up first.
  readAll(client);
  readAll(server);
  carry(client, server);
  client.updateKey(true);
  carry(client, server);
  carry(server, client);
  client.shutdown();
  for (const region of outputOf(client)) server.input(region);
  if (readAll(server).end !== CLOSE_NOTIFY) throw failed('close_notify is not noticed');
  notice(server, client);
}

function carry(from: SslHandle, to: SslHandle): void {
  const sent = Buffer.alloc(PAYLOAD_BYTES);
  for (let at = 0; at < sent.length; at += 1) sent[at] = (at * 31) & 255;
  from.write(sent, 0, sent.length);
  const parts: Buffer[] = [];
  for (const region of outputOf(from)) {
    to.input(region);
    parts.push(readAll(to).bytes);
  }
  if (!Buffer.concat(parts).equals(sent)) throw failed('data arrives changed');
}

// A record with one flipped bit must end in an error, never in data.
function notice(from: SslHandle, to: SslHandle): void {
  from.write(Buffer.from('secret'), 0, 6);
  const [region] = outputOf(from);
  if (region === undefined) throw failed('no output');
  const at = region.offset + region.length - 1;
  region.block[at] = (region.block[at] as number) ^ 1;
  to.input(region);
  try {
    readAll(to);
  } catch {
    return;
  }
  throw failed('a changed record is not noticed');
}

function readAll(handle: SslHandle): { bytes: Buffer; end: number } {
  const into = Buffer.alloc(PAYLOAD_BYTES * 2);
  let fill = 0;
  for (;;) {
    const got = handle.read(into, fill, into.length - fill);
    if (got === WANT_INPUT || got === CLOSE_NOTIFY) return { bytes: into.subarray(0, fill), end: got };
    fill += got;
  }
}

function outputOf(handle: SslHandle): Region[] {
  const regions: Region[] = [];
  while (handle.outputBytes > 0) {
    const block = pool.take();
    const bytes = handle.output(block, HEADROOM_BYTES, BLOCK);
    regions.push(new Region(block, HEADROOM_BYTES, bytes, (back) => pool.give(back)));
  }
  return regions;
}

function knownAnswer(ssl: OpenSsl): void {
  const digest = Buffer.alloc(32);
  const ok = ssl.EVP_Digest(Buffer.from('abc'), 3, digest, null, ssl.EVP_sha256(), null);
  if (ok !== 1 || digest.toString('hex') !== SHA256_OF_ABC) throw failed('SHA-256 gives another answer');
}

/** A certificate for a key made now, signed with itself: no key material is shipped. */
export function selfSigned(ssl: OpenSsl): { certChainPem: string; privateKeyPem: string; rootsPem: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return withPem(ssl, privateKeyPem, (bio) => {
    const key = ssl.PEM_read_bio_PrivateKey(bio, null, null, null);
    if (key === null || key === 0n) throw sslFailed(ssl, 'self-test key');
    const certificate = ssl.X509_new();
    const out = ssl.BIO_new(ssl.BIO_s_mem());
    try {
      ssl.X509_set_version(certificate, 2);
      ssl.X509_gmtime_adj(ssl.X509_getm_notBefore(certificate), -60);
      ssl.X509_gmtime_adj(ssl.X509_getm_notAfter(certificate), 3600);
      ssl.X509_set_pubkey(certificate, key);
      if (ssl.X509_sign(certificate, key, ssl.EVP_sha256()) === 0) throw sslFailed(ssl, 'self-test certificate');
      ssl.PEM_write_bio_X509(out, certificate);
      const pem = Buffer.alloc(4096);
      const certChainPem = pem.toString('latin1', 0, ssl.BIO_read(out, pem, pem.length));
      return { certChainPem, privateKeyPem, rootsPem: certChainPem };
    } finally {
      ssl.BIO_free(out);
      ssl.X509_free(certificate);
      ssl.EVP_PKEY_free(key);
    }
  });
}

function failed(why: string, cause?: unknown): NetError {
  return new NetError('ERR_NET_NATIVE_UNAVAILABLE', `the self-test of TLS over libssl failed: ${why}`, { cause });
}
