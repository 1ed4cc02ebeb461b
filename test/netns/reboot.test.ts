// A node that restarts, an agent and a node proxy that die: what enrolled pods send meanwhile, and the number of unprotected pods. Root only.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { bindListener, connect, toDuplex } from '@ambit/net';
import { eventually } from '../fixtures/agent-process.ts';
import { type AgentNode, type AgentTestPod, createAgentNode, ruleTools } from '../fixtures/node-agent.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { countOnWire } from '../fixtures/wire.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const chain = '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}';
const marker = 'in-plaintext-on-the-wire';
const settings = { NATIVE_NFTABLES: 'true' };
const unprotected = 'ambit_unprotected_pods';

/** A server of the node that takes whatever it is sent. */
async function listenIn(pod: AgentTestPod, port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen({ fd: bindListener({ kind: 'netns', fd: pod.netns.fd }, { port }) });
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What an application does: connects and sends. Returns whether it could. */
async function send(from: AgentTestPod, to: string, what = marker): Promise<boolean> {
  try {
    const stream = toDuplex(
      await connect({ kind: 'netns', fd: from.netns.fd }, { host: to, port: 8080, timeoutMs: 2000 }),
    );
    stream.on('error', () => undefined);
    await new Promise((resolve) => stream.write(what, resolve));
    stream.destroy();
    return true;
  } catch {
    return false;
  }
}

/** Sends from every pod again and again until stopped; returns how often that worked. `what`: asked before every connection. */
function keepSending(
  pods: readonly AgentTestPod[],
  to: string,
  what: (pod: AgentTestPod) => string = () => marker,
): AsyncDisposable & { stop(): Promise<number> } {
  let isOn = true;
  let sent = 0;
  const work = Promise.all(
    pods.map(async (pod) => {
      while (isOn) {
        if (await send(pod, to, what(pod))) sent += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }),
  );
  const stop = async (): Promise<number> => {
    isOn = false;
    await work;
    return sent;
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

const run = promisify(execFile);

/** The number of unprotected pods as Prometheus would read it now; undefined while no agent says one. */
async function scrapeCount(node: AgentNode): Promise<number | undefined> {
  try {
    const stream = toDuplex(
      await connect({ kind: 'netns', fd: node.bridgeFd }, { host: '127.0.0.1', port: 15_014, timeoutMs: 2000 }),
    );
    stream.on('error', () => undefined);
    stream.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    const lines = (await text(stream)).split('\n');
    const line = lines.find((each) => each.startsWith(`${unprotected} `));
    return line === undefined ? undefined : Number(line.slice(unprotected.length + 1));
  } catch {
    return undefined; // no agent, or one that has just ended
  }
}

/** What the kernel says: how many of these pods have no redirection. */
async function uncaptured(names: readonly string[]): Promise<number> {
  const rules = await Promise.all(
    names.map(async (name) => {
      const { stdout } = await run('ip', ['netns', 'exec', `ambit-t-${process.pid}-${name}`, 'nft', 'list', 'ruleset']);
      return stdout;
    }),
  );
  return rules.filter((each) => !each.includes(':15001')).length;
}

/**
 * Compares, again and again until stopped and once more then, the reported number with the kernel, which is asked before and after. Returns what was reported, without
 * repetitions, and how often.
 */
function watchCount(
  node: AgentNode,
  pods: readonly string[],
): AsyncDisposable & {
  readonly said: readonly number[];
  stop(): Promise<{ readonly said: readonly number[]; readonly times: number }>;
} {
  let isOn = true;
  const said: number[] = [];
  let times = 0;
  const look = async (): Promise<void> => {
    const before = await uncaptured(pods);
    const count = await scrapeCount(node);
    const after = await uncaptured(pods);
    if (count === undefined) return;
    times += 1;
    if (said.at(-1) !== count) said.push(count);
    assert.ok(
      count >= Math.min(before, after) && count <= Math.max(before, after),
      `${count} reported, ${before} before and ${after} after`,
    );
  };
  const watch = async (): Promise<void> => {
    while (isOn) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await look();
  };
  const work = watch();
  work.catch(() => undefined);
  const stop = async () => {
    isOn = false;
    await work;
    return { said, times };
  };
  return {
    said,
    stop,
    async [Symbol.asyncDispose]() {
      isOn = false;
      await work.catch(() => undefined);
    },
  };
}

const names = ['p1', 'p2', 'p3'];

async function enrolAll(node: AgentNode): Promise<void> {
  for (const name of names) node.label(name, 'ambient');
  for (const name of names) await node.until(name, 'enabled');
}

test(
  'after a restart of the node no container starts before it is captured, and nothing leaves in plaintext',
  { skip, timeout: 90_000 },
  async () => {
    await using node = await createAgentNode();
    writeFileSync(join(node.cniFolder, '10-net.conflist'), chain);
    const server = node.pod('s', '10.202.0.9');
    await using _server = await listenIn(server, 8080);
    for (const [index, name] of names.entries()) node.pod(name, `10.202.0.${index + 1}`);
    const first = await node.start(settings);
    {
      using _proxy = await node.proxy();
      await enrolAll(node);
      assert.equal(await first.metric(unprotected), 0);
    }
    using wire = countOnWire(node.bridgeFd, marker);

    // The machine goes down: processes, namespaces and the run folder are gone; annotations and files on disk are not.
    await first.kill();
    node.clearRunFolder();
    const pods = names.map((name) => node.renew(name, false));
    const started = new Set<string>();
    /** What the container runtime does: the application starts when the chain of plugins says so. */
    const startPod = async (pod: AgentTestPod): Promise<void> => {
      const { status } = await node.cni('ADD', pod);
      if (status !== 0) return;
      started.add(pod.name);
      await send(pod, server.ip);
    };
    for (const pod of pods) await startPod(pod);
    assert.deepEqual([...started], [], 'without an agent no pod of the mesh starts');

    await using watching = watchCount(node, names);
    const second = await node.start(settings);
    assert.equal(
      await second.metric(unprotected),
      names.length,
      'their annotation says enabled, and nobody captured them',
    );
    for (const pod of pods) await startPod(pod);
    assert.deepEqual([...started], [], 'without a node proxy no pod of the mesh starts');

    using _proxy = await node.proxy();
    for (const pod of pods) await startPod(pod);
    assert.deepEqual([...started], names, second.lines.slice(-20).join('\n'));
    const { said } = await watching.stop();
    assert.deepEqual([said[0], said.at(-1)], [names.length, 0]);
    assert.ok(
      said.every((count, index) => index === 0 || count < (said[index - 1] ?? 0)),
      `the number only falls, not ${said.join()}`,
    );
    assert.equal(wire.marked(), 0);
    // The wire would have shown it.
    assert.ok(await send(node.pod('plain', '10.202.0.20'), server.ip));
    await eventually(
      () => wire.marked() > 0,
      () => `${wire.total()} packets, none with the marker`,
    );
  },
);

test(
  'pods that a lost CNI configuration let start uncaptured are counted, captured, and the count reaches zero',
  { skip, timeout: 90_000 },
  async () => {
    await using node = await createAgentNode();
    const server = node.pod('s', '10.202.0.9');
    await using _server = await listenIn(server, 8080);
    for (const [index, name] of names.entries()) node.pod(name, `10.202.0.${index + 1}`);
    const first = await node.start(settings);
    {
      using _proxy = await node.proxy();
      await enrolAll(node);
    }
    await first.kill();
    node.clearRunFolder();
    const pods = names.map((name) => node.renew(name, true));
    assert.ok(await send(pods[0] as AgentTestPod, server.ip), 'uncaptured, it speaks in plaintext');

    // The namespace of one pod cannot be found at first.
    node.hide('p3');
    await using watching = watchCount(node, names);
    const second = await node.start(settings);
    assert.equal(await second.metric(unprotected), 1, 'what is found is captured before the agent is ready');
    assert.match(
      await second.page(9876, '/debug/enrolment'),
      /"name": "p3",\s+"namespace": "shop",\s+"state": "unprotected"/,
    );
    using wire = countOnWire(node.bridgeFd, marker);
    for (const pod of pods.slice(0, 2)) assert.equal(await send(pod, server.ip), false);
    assert.equal(wire.marked(), 0);
    using proxy = await node.proxy();
    // On a busy machine a look takes longer than all of the above.
    await eventually(
      () => watching.said.length > 0,
      () => 'no number was read',
      30_000,
    );
    node.unhide('p3');
    await eventually(
      async () => (await second.metric(unprotected)) === 0,
      () => second.lines.slice(-20).join('\n'),
      20_000,
    );
    const late = `add ${(pods[2] as AgentTestPod).uid}`;
    await eventually(
      () => proxy.seen.includes(late),
      () => `${late} in ${proxy.seen.join()}`,
    );
    for (const pod of pods) assert.equal(await send(pod, server.ip), false);
    assert.equal(wire.marked(), 0);
    assert.ok(wire.total() > 0);
    const { said } = await watching.stop();
    assert.deepEqual(said, [1, 0], 'said from the first moment on at which there is a number');
  },
);

test(
  'an agent that is killed and comes back lets nothing out, and knows at once that all pods are captured',
  { skip, timeout: 90_000 },
  async () => {
    await using node = await createAgentNode();
    writeFileSync(join(node.cniFolder, '10-net.conflist'), chain);
    const server = node.pod('s', '10.202.0.9');
    await using _server = await listenIn(server, 8080);
    const pods = names.map((name, index) => node.pod(name, `10.202.0.${index + 1}`));
    let agent = await node.start(settings);
    {
      using _proxy = await node.proxy();
      await enrolAll(node);
      using wire = countOnWire(node.bridgeFd, marker);
      await using sending = keepSending(pods, server.ip);
      await using watching = watchCount(node, names);
      for (let round = 0; round < 3; round += 1) {
        await agent.kill();
        agent = await node.start(settings);
        assert.equal(await agent.metric(unprotected), 0);
        assert.match(await agent.page(8000, '/readyz'), /^200/);
      }
      const { said, times } = await watching.stop();
      assert.deepEqual(said, [0], `in ${times} looks`);
      assert.equal(await sending.stop(), 0, 'nobody listens in the pods of this test, so everything is refused');
      assert.equal(wire.marked(), 0);
    }
  },
);

for (const [tool, environment] of Object.entries(ruleTools))
  test(
    `${tool}: an agent that is killed in the middle of enrolments leaves none half done, and no pod is called enrolled that sends plaintext`,
    { skip, timeout: 240_000 },
    async () => {
      await using node = await createAgentNode();
      const server = node.pod('s', '10.202.0.9');
      await using _server = await listenIn(server, 8080);
      const pods = [1, 2, 3, 4].map((number) => node.pod(`p${number}`, `10.202.0.${number}`));
      using before = countOnWire(node.bridgeFd, 'before-the-enrolment');
      using enrolled = countOnWire(node.bridgeFd, marker);
      await using sending = keepSending(pods, server.ip, ({ name }) =>
        node.state(name) === 'enabled' ? marker : 'before-the-enrolment',
      );
      for (const { name } of pods) node.label(name, 'ambient');
      // Killed so long after a proxy took the first pod: before, while and after rules are made, with other pods at other steps.
      for (const delayMs of [0, 10, 40]) {
        const agent = await node.start(environment);
        const taken = Promise.withResolvers<void>();
        using _proxy = await node.proxy((request) => {
          if (request.startsWith('add')) taken.resolve();
          return '';
        });
        await taken.promise;
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        await agent.kill();
      }
      const last = await node.start(environment);
      using _proxy = await node.proxy();
      for (const { name } of pods) await node.until(name, 'enabled');
      assert.equal(await last.metric(unprotected), 0);
      await sending.stop();
      assert.equal(enrolled.marked(), 0, last.lines.slice(-20).join('\n'));
      assert.ok(before.marked() > 0, 'the wire shows what is not captured');
      const [first] = pods;
      assert.match(first?.rules() ?? '', /15001/);
      for (const pod of pods) assert.equal(pod.rules(), first?.rules());
      for (const { name } of pods) node.label(name, undefined);
      for (const { name } of pods) await node.until(name, undefined);
      for (const pod of pods) assert.equal(pod.rules(), '');
    },
  );

const meshState = `
workloads:
- { uid: c, name: c, namespace: shop, serviceAccount: c, workloadIps: ["10.202.0.1"], protocol: HBONE, node: n1, services: {} }
- { uid: s, name: s, namespace: shop, serviceAccount: s, workloadIps: ["10.202.0.2"], protocol: HBONE, node: n1, services: {} }
`;

test(
  'a node proxy that is killed leaves refusals and no plaintext, and the next one serves the same pods',
  { skip, timeout: 90_000 },
  async () => {
    await using node = await createAgentNode();
    const [client, server] = [node.pod('c', '10.202.0.1'), node.pod('s', '10.202.0.2')];
    await using _server = await listenIn(server, 8080);
    const agent = await node.start(settings);
    const startProxy = async (address: string): Promise<NodeProxyProcess> => {
      const proxy = startNodeProxy(
        {
          NODE_NAME: 'n1',
          XDS_ADDRESS: '',
          FAKE_CA: 'true',
          AMBIT_FAKE_CA_DIR: join(node.run, 'ca'),
          LOCAL_XDS: meshState,
          INPOD_UDS: join(node.run, 'ztunnel.sock'),
          AMBIT_LOOPBACK_ADDRESS: address,
          ZTUNNEL_WORKER_THREADS: '1',
        },
        { address },
      );
      await proxy.ready();
      return proxy;
    };
    await using first = await startProxy('127.75.0.1');
    for (const name of ['c', 's']) node.label(name, 'ambient');
    for (const name of ['c', 's']) await node.until(name, 'enabled');
    using wire = countOnWire(node.bridgeFd, marker);
    assert.equal(await send(client, server.ip), true);
    await first.line('connection complete', 'direction="inbound"');

    first.child.kill('SIGKILL');
    await first.exited;
    for (let count = 0; count < 20; count += 1) assert.equal(await send(client, server.ip), false);
    // The rules are what protects them, and those are there.
    assert.equal(await agent.metric(unprotected), 0);
    await using second = await startProxy('127.75.0.2');
    assert.equal(await send(client, server.ip), true);
    await second.line('connection complete', 'direction="inbound"');
    assert.equal(wire.marked(), 0);
    assert.ok(wire.total() > 0);
  },
);
