// A real node agent and node proxies that misbehave, come and go. Root only.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { bindListener, connectSequenced } from '@ambit/net';
import { eventually } from '../fixtures/agent-process.ts';
import { createAgentNode } from '../fixtures/node-agent.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const timeout = 90_000;

test(
  'a proxy that stops answering is let go, the pod says why, and the next proxy serves it',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const agent = await node.start();
    const silent = new Promise<string>(() => undefined);
    using _silent = await node.proxy((request) => (request.startsWith('add') ? silent : ''));
    node.label('a', 'ambient');
    await node.until('a', 'pending');
    await eventually(
      async () => (await agent.metric('ztunnel_connected')) === 0,
      () => agent.lines.slice(-10).join('\n'),
      20_000,
    );
    assert.equal(pod.rules(), '', 'nobody listens yet, so nothing is redirected');
    using _next = await node.proxy();
    await node.until('a', 'enabled');
    await eventually(
      () => node.events().includes('no answer to add'),
      () => node.events(),
    );
  },
);

test(
  'a socket for proxies that somebody removed is there again, and a proxy connects through it',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const chain = '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}';
    writeFileSync(join(node.cniFolder, '10-net.conflist'), chain);
    const agent = await node.start({ AMBIT_READY_NEEDS_PROXY: 'true' });
    assert.match(await agent.page(8000, '/readyz'), /^503 not ready: no node proxy is connected/);
    const connected = 'ambit_node_agent_condition{condition="proxy"}';
    assert.ok((await agent.metrics()).includes(`${connected} 0\n`), await agent.metrics());
    rmSync(join(node.run, 'ztunnel.sock'));
    using _proxy = await node.proxy();
    await eventually(
      () => agent.lines.some((line) => line.includes('made anew')),
      () => agent.lines.slice(-5).join('\n'),
    );
    assert.match(await agent.page(8000, '/readyz'), /^200/);
    assert.ok((await agent.metrics()).includes(`${connected} 1\n`), await agent.metrics());
  },
);

test(
  'a proxy that speaks another version is refused with an error, again and again, and disturbs nobody',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const pod = node.pod('a', '10.202.0.1');
    const agent = await node.start();
    using proxy = await node.proxy();
    node.label('a', 'ambient');
    await node.until('a', 'enabled');
    for (const hello of [[8, 2], [8, 0], [0xff, 0xff], Array<number>(5000).fill(8)]) {
      const socket = connectSequenced(join(node.run, 'ztunnel.sock'));
      const refusals = (): number => agent.lines.filter((line) => line.includes('node proxy was not served')).length;
      const before = refusals();
      try {
        socket.send(Buffer.from(hello));
        await eventually(
          () => refusals() === before + 1,
          () => `${hello.slice(0, 4).join()}: ${agent.lines.slice(-5).join('\n')}`,
        );
        assert.equal(await socket.receive(), undefined, 'nothing is sent, the connection ends');
      } finally {
        socket.close();
      }
    }
    assert.ok(agent.lines.some((line) => line.includes('version') && line.includes('try')));
    await eventually(
      async () => (await agent.metric('ztunnel_connected')) === 1,
      () => agent.lines.slice(-5).join('\n'),
    );
    node.label('a', undefined);
    await node.until('a', undefined);
    assert.ok(proxy.seen.includes(`del ${pod.uid}`));
  },
);

test(
  'connections that wait in the queue of a listener that stops are taken over by the next one in the pod',
  { skip, timeout },
  async () => {
    await using node = await createAgentNode();
    const [pod, other] = [node.pod('a', '10.202.0.1'), node.pod('o', '10.202.0.2')];
    await node.start();
    using _proxy = await node.proxy();
    node.label('a', 'ambient');
    await node.until('a', 'enabled');
    // Two generations of a node proxy.
    const generation = async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        sockets.push(socket);
      });
      const domain = { kind: 'netns', fd: pod.netns.fd } as const;
      server.listen({ fd: bindListener(domain, { port: 15_006, mark: 1337, reusePort: true }) });
      await once(server, 'listening');
      return { server, sockets };
    };
    const [stopping, next] = [await generation(), await generation()];
    const count = 40;
    const dial = `for i in $(seq ${count}); do exec {fd}<>/dev/tcp/${pod.ip}/8080; done; echo all; read`;
    const callers = spawn('ip', ['netns', 'exec', other.namespace, 'bash', '-c', dial], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      // This process accepts nothing while it waits here; the kernel lets the callers in.
      const queued = (): number =>
        pod
          .run('ss', '-Hltn', 'sport = :15006')
          .trim()
          .split('\n')
          .reduce((sum, line) => sum + Number(line.split(' ').filter((word) => word !== '')[1]), 0);
      const end = Date.now() + 20_000;
      while (queued() < count) assert.ok(Date.now() < end, `${queued()} of ${count} in the queues`);
      stopping.server.close();
      await eventually(
        () => next.sockets.length === count,
        () => `${next.sockets.length} of ${count} were taken over`,
        5000,
      );
      assert.equal(stopping.sockets.length, 0);
    } finally {
      callers.kill('SIGKILL');
      for (const socket of next.sockets) socket.destroy();
      next.server.close();
    }
  },
);
