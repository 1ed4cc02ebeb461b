// Mutual TLS handshakes one after the other, both sides in this process, over loopback sockets. In: a TLS engine. Out:
// handshakes per second, several rounds. Called by suite.ts.
import { createPeerVerifier } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import { createTlsContext, secureClient, type SecureEngineName, secureServer } from '@ambit/net';
import { socketPair } from '@ambit/net/testing';

const ROUNDS = 3;

/** Measures. */
export async function handshakesPerSecond(engine: SecureEngineName, ms: number): Promise<number[]> {
  const ca = testCa();
  const context = createTlsContext(await ca.issue(ca.identity('bench', 'proxy')));
  const verify = {
    client: createPeerVerifier({ roots: ca.rootPem, peerRole: 'server' }),
    server: createPeerVerifier({ roots: ca.rootPem, peerRole: 'client' }),
  };
  const once = async (): Promise<void> => {
    const [near, far] = await socketPair();
    const ends = await Promise.all([
      secureClient(near, context, { verifyPeer: verify.client, engine }),
      secureServer(far, context, { verifyPeer: verify.server, engine }),
    ]);
    for (const end of ends) end.destroy(new Error('measured'));
  };
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    let count = 0;
    for (; performance.now() - started < ms; count += 1) await once();
    rounds.push(count / ((performance.now() - started) / 1000));
  }
  return rounds;
}
