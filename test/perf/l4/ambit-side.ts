// One side of a pair of bare tunnels as a process: `client <engine> <identity.json> <hbone port>` takes plain TCP and opens
// a tunnel per connection; `server <engine> <identity.json> <application port>` takes tunnels and connects. Prints
// `listening <port>`. Peers are verified against the run's own root, as a proxy would; no policy, no log, no metrics.
import { readFileSync } from 'node:fs';
import { BYTE_ENGINE_WISHES, chooseByteEngine, createHbonePool, createHboneServer } from '@ambit/hbone';
import { createPeerVerifier } from '@ambit/identity';
import { connect, createTlsContext, type Endpoint, hostDomain, listenIn, relay, secureClient } from '@ambit/net';
import { silentLogger } from '@ambit/runtime/log';

const HOST = '127.0.0.1';
const [role, engine, identityFile, portText] = process.argv.slice(2);
const wanted = BYTE_ENGINE_WISHES.find((name) => name === engine) ?? 'auto';
const choice = chooseByteEngine(wanted);
if (choice.engine.name !== engine) throw new Error(`engine ${engine} cannot be used: ${choice.reason}`);
const identity = JSON.parse(readFileSync(identityFile ?? '', 'utf8')) as {
  readonly certChainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: string;
};
const port = Number(portText);
const context = createTlsContext(identity);

function clientSide(): (endpoint: Endpoint) => void {
  const verifyPeer = createPeerVerifier({ roots: identity.rootsPem, peerRole: 'server' });
  const pool = createHbonePool({
    log: silentLogger,
    dial: async () => secureClient(await connect(hostDomain, { host: HOST, port }), context, { verifyPeer }),
  });
  const key = { source: 'bench', destination: `${HOST}:${port}`, expected: ['bench'] };
  return (endpoint) => {
    pool.open(key, { authority: `${HOST}:80` }).then(
      (tunnel) => relay(endpoint, tunnel),
      (error: Error) => endpoint.destroy(error),
    );
  };
}

function serverSide(): (endpoint: Endpoint) => void {
  const server = createHboneServer({
    tls: context,
    verifyPeer: createPeerVerifier({ roots: identity.rootsPem, peerRole: 'client' }),
    log: silentLogger,
    onTunnel(request) {
      connect(hostDomain, { host: HOST, port }).then(
        (upstream) => relay(request.accept(), upstream),
        () => request.reject(503),
      );
    },
  });
  return (endpoint) => server.accept(endpoint);
}

const onConnection = role === 'client' ? clientSide() : serverSide();
const listener = await listenIn(hostDomain, { port: 0, address: HOST }, { onConnection, backlog: 512 });
process.stdout.write(`listening ${listener.address.port}\n`);
