// Many clients of one server, in a process of their own because each is a connection. In: messages with an address and the versions that the
// clients know. Out: a message when each has its first answer. Child of reconnect.ts; ends with its parent's channel.
import { openRawClient, type RawXdsClient } from '@ambit/xds/testing';

/** One round: everybody connects at once. */
export interface JoinMessage {
  readonly address: string;
  readonly typeUrl: string;
  readonly clients: number;
  /** Of resources that the clients have. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The round is over. */
export interface JoinedMessage {
  /** Clients that got an answer. */
  readonly answered: number;
  /** Time since the epoch of the last answer. */
  readonly lastAtMs: number;
  /** Resources in the answers, all together. */
  readonly resources: number;
  readonly versions: Readonly<Record<string, string>>;
}

const LONG_MS = 300_000;
let streams: RawXdsClient[] = [];

async function join({ address, typeUrl, clients, versions }: JoinMessage): Promise<JoinedMessage> {
  for (const stream of streams) stream.close();
  streams = [];
  let known = versions;
  let resources = 0;
  let lastAtMs = 0;
  const answers = Array.from({ length: clients }, async (_, index) => {
    const stream = openRawClient(address);
    streams.push(stream);
    const id = `ztunnel~10.0.0.1~ztunnel-${index}.istio-system~istio-system.svc.cluster.local`;
    stream.send({ node: { id }, typeUrl, initialResourceVersions: versions });
    const response = await stream.next(LONG_MS);
    if (response === undefined) return 0;
    lastAtMs = performance.timeOrigin + performance.now();
    resources += response.resources.length;
    known = { ...Object.fromEntries(response.resources.map(({ name, version }) => [name, version])), ...known };
    stream.send({ typeUrl, responseNonce: response.nonce });
    return 1;
  });
  const answered = (await Promise.all(answers)).reduce<number>((sum, one) => sum + one, 0);
  return { answered, lastAtMs, resources, versions: known };
}

async function answer(message: JoinMessage): Promise<void> {
  process.send?.(await join(message));
}

process.on('message', (message: JoinMessage) => void answer(message));
process.on('disconnect', () => process.exit());
