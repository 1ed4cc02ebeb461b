// The life of the process (spec/node-proxy.md 13.2): it ends cleanly when it is told to over HTTP, and it does not start at all where one
// of its ports is taken. A dedicated proxy on a loopback address of its own, so that nothing else on the machine has the ports.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite, test } from 'node:test';
import { isListening } from '@ambit/net/testing';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const address = `127.78.${(process.pid >> 8) & 255}.${(process.pid & 127) + 1}`;
const state = `
workloads:
- uid: one
  name: one
  namespace: shop
  serviceAccount: one
  trustDomain: cluster.local
  workloadIps: ["${address}"]
  protocol: HBONE
  services: {}
`;

interface Started {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** Resolves with the first line that contains the text, with undefined when the output ended without it. */
  line(text: string): Promise<string | undefined>;
  readonly exited: Promise<number | null>;
}

function start(): Started {
  const child = spawn(process.execPath, ['--conditions=@ambit/source', MAIN], {
    env: {
      PATH: process.env['PATH'] ?? '',
      PROXY_MODE: 'dedicated',
      PROXY_WORKLOAD_INFO: 'shop/one/one',
      AMBIT_LOOPBACK_ADDRESS: address,
      AMBIT_ZDS_TRANSPORT: 'stream',
      XDS_ADDRESS: '',
      LOCAL_XDS: state,
      FAKE_CA: 'true',
      IPV6_ENABLED: 'false',
      ISTIO_META_DNS_CAPTURE: 'false',
      ZTUNNEL_WORKER_THREADS: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of waiting) wake();
  };
  let isOver = false;
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    wakeAll();
  });
  reader.on('close', () => {
    isOver = true;
    wakeAll();
  });
  return {
    child,
    lines,
    exited: once(child, 'exit').then(([status]) => status as number | null),
    async line(text) {
      return new Promise((resolve) => {
        const look = (): void => {
          const found = lines.find((line) => line.includes(text));
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

async function get(port: number, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://${address}:${port}${path}`, { method, headers: { connection: 'close' } });
  return { status: response.status, body: await response.text() };
}

/** Waits until the readiness page says so. */
async function ready(proxy: Started): Promise<void> {
  const limitMs = Date.now() + 60_000;
  while (proxy.child.exitCode === null && Date.now() < limitMs) {
    const answer = await get(15_021, '/healthz/ready').catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`the proxy is not ready:\n${proxy.lines.join('\n')}`);
}

/** Ends it, if it has not ended by itself. */
async function end(proxy: Started): Promise<void> {
  proxy.child.kill('SIGKILL');
  await proxy.exited;
}

suite('13.2 process life', { timeout: 120_000 }, () => {
  test('POST /quitquitquit ends the process with status 0; another method does not', async () => {
    const proxy = start();
    try {
      await ready(proxy);
      assert.deepEqual(await get(15_000, '/quitquitquit'), { status: 405, body: 'Invalid HTTP method\n' });
      assert.equal(await isListening({ port: 15_001, host: address }), true);
      // Every thread answers, the data thread too: otherwise there is no answer at all.
      assert.equal((await get(15_000, '/debug/pprof/profile?seconds=1')).status, 200);
      assert.deepEqual(await get(15_000, '/quitquitquit', 'POST'), { status: 200, body: 'shutdown now\n' });
      assert.equal(await proxy.exited, 0);
      assert.equal(await isListening({ port: 15_001, host: address }), false);
    } finally {
      await end(proxy);
    }
  });

  for (const [what, port] of [
    ['outbound', 15_001],
    ['inbound plaintext', 15_006],
    ['inbound', 15_008],
    ['admin', 15_000],
    ['metrics', 15_020],
    ['readiness', 15_021],
  ] as const) {
    test(`a taken ${what} port makes the start fail, and the last lines name it`, async () => {
      const taken = createServer();
      await once(taken.listen(port, address), 'listening');
      const proxy = start();
      try {
        const status = await proxy.exited;
        assert.notEqual(status, 0);
        assert.notEqual(status, null);
        assert.ok(await proxy.line(`${address}:${port}`), proxy.lines.join('\n'));
      } finally {
        await end(proxy);
        taken.close();
        await once(taken, 'close');
      }
    });
  }
});
