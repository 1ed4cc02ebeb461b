// Probes: asks a container whether it lives, is ready, has started (spec local-cluster 10.1).
// Comes in: the probe and the pod's sandbox. Goes out: calls of `onResult` when the verdict changes. Requests leave from
// the node with a node source address, which the mesh exempts. Main thread.
import { get as httpGet } from 'node:http';
import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { createTlsContext, fromDuplex, secureClient, toDuplex } from '@ambit/net';
import { requestGrpcHealth } from './grpc-health.ts';
import type { Container, HttpGetAction, Probe } from '../controllers/objects.ts';

/** How a probe reaches its container. */
export interface ProbeTarget {
  dial(port: number, host: string | undefined, timeoutMs: number): Promise<Duplex>;
  /** Runs a command in the container; resolves with its exit code. */
  exec(command: readonly string[], timeoutMs: number): Promise<number>;
}

/** A running probe; `close()` ends it. */
export interface RunningProbe {
  close(): void;
}

/** Starts a probe. `onResult` is called with each verdict that thresholds confirm, and the text of a failure. */
export function startProbe(
  probe: Probe,
  container: Container,
  target: ProbeTarget,
  onResult: (isHealthy: boolean, message: string) => void,
): RunningProbe {
  const periodMs = Math.max(1, probe.periodSeconds ?? 10) * 1000;
  const needed = { true: probe.successThreshold ?? 1, false: probe.failureThreshold ?? 3 };
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let streak = 0;
  let last: boolean | undefined;
  // A container that just starts refuses at first: ask often until the first success, then as often as asked for.
  let quickTries = probe.initialDelaySeconds === undefined || probe.initialDelaySeconds === 0 ? 40 : 0;

  const run = async (): Promise<void> => {
    let message = '';
    const isHealthy = await checkOnce(probe, container, target).then(
      () => true,
      (error: unknown) => {
        message = error instanceof Error ? error.message : String(error);
        return false;
      },
    );
    if (closed) return;
    const isEarly = !isHealthy && last !== true && quickTries > 0;
    if (isEarly) quickTries -= 1;
    else {
      streak = isHealthy === last ? streak + 1 : 1;
      last = isHealthy;
      if (streak >= needed[`${isHealthy}`]) onResult(isHealthy, message);
    }
    timer = setTimeout(() => void run(), isEarly ? Math.min(QUICK_MS, periodMs) : periodMs);
  };
  timer = setTimeout(() => void run(), (probe.initialDelaySeconds ?? 0) * 1000);
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}

const QUICK_MS = 50;

/** Asks once; rejects with the reason when the answer is no. */
export async function checkOnce(probe: Probe, container: Container, target: ProbeTarget): Promise<void> {
  const timeoutMs = Math.max(1, probe.timeoutSeconds ?? 1) * 1000;
  if (probe.httpGet !== undefined) return requestHttp(probe.httpGet, container, target, timeoutMs);
  if (probe.tcpSocket !== undefined) {
    const socket = await target.dial(portNumber(probe.tcpSocket.port, container), probe.tcpSocket.host, timeoutMs);
    socket.on('error', () => undefined);
    socket.destroy();
    return;
  }
  if (probe.exec !== undefined) {
    const code = await target.exec(probe.exec.command, timeoutMs);
    if (code !== 0) throw new Error(`command exited with ${code}`);
    return;
  }
  if (probe.grpc !== undefined) {
    const connection = await target.dial(probe.grpc.port, undefined, timeoutMs);
    connection.on('error', () => undefined);
    await requestGrpcHealth(connection, probe.grpc.service ?? '', timeoutMs);
  }
}

function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((each) => each.name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number)) throw new Error(`no port is named "${port}"`);
  return number;
}

/** Sends the request of a probe or hook; rejects unless the status is 200 to 399. */
export async function requestHttp(
  action: HttpGetAction,
  container: Container,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<void> {
  const port = portNumber(action.port, container);
  const plain = await target.dial(port, action.host, timeoutMs);
  plain.on('error', () => undefined);
  const stream = action.scheme?.toUpperCase() === 'HTTPS' ? await overTls(plain, timeoutMs) : plain;
  stream.on('error', () => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', connection: 'close' };
      for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
      const request: ClientRequest = httpGet({
        createConnection: () => stream as never,
        path: action.path ?? '/',
        headers: { host: `${action.host ?? 'pod'}:${port}`, ...headers },
        timeout: timeoutMs,
      });
      const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      request.once('response', (response) => {
        clearTimeout(timer);
        response.resume();
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 400) resolve();
        else reject(new Error(`HTTP probe failed with statuscode: ${status}`));
      });
      request.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
    });
  } finally {
    stream.destroy();
    plain.destroy();
  }
}

// Nobody can know which certificate a pod shows to its node: as in Kubernetes, any is taken, and nothing secret is sent.
async function overTls(plain: Duplex, timeoutMs: number): Promise<Duplex> {
  const context = createTlsContext({ rootsPem: [], role: 'client', allowTls12: true });
  return toDuplex(
    await secureClient(fromDuplex(plain), context, { verifyPeer: () => undefined, alpn: ['http/1.1'], timeoutMs }),
  );
}
