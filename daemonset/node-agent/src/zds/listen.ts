// In: the configured socket path. Out: connected proxies handed to the ZDS server. Called by app.ts. Main thread.
import type { Logger } from '@ambit/runtime/log';
import { mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { NodeAgentConfig } from '../config.ts';
import { AcceptPace } from './accept-pace.ts';
import type { ZdsServer } from './server.ts';
import { streamChannel } from './stream-channel.ts';

/** Stops accepting. */
export type StopAccepting = () => Promise<void>;

async function listenForStreams(path: string, pace: AcceptPace, log: Logger): Promise<StopAccepting> {
  const server = createServer((socket) => pace.admit(streamChannel(socket)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      server.on('error', (error) => log.error('socket for node proxies failed', { path, error: error.message }));
      resolve();
    });
  });
  return async () => new Promise((resolve) => server.close(() => resolve()));
}

/** Listens on the configured path; an old socket file is replaced. */
export async function listenForProxies(config: NodeAgentConfig, zds: ZdsServer, log: Logger): Promise<StopAccepting> {
  const path = config.ZTUNNEL_UDS_ADDRESS;
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const pace = new AcceptPace((channel) => zds.accept(channel));
  const stop = await listenWith(config, path, pace, log);
  return async () => {
    pace.close();
    await stop();
  };
}

async function listenWith(
  config: NodeAgentConfig,
  path: string,
  pace: AcceptPace,
  log: Logger,
): Promise<StopAccepting> {
  if (config.AMBIT_ZDS_TRANSPORT === 'stream') return listenForStreams(path, pace, log);
  const { listenForPackets } = await import('./packet-channel.ts');
  return listenForPackets(path, pace, log);
}
