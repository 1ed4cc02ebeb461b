// What ends the connection of a node proxy, and that nobody takes an answer for that of another request (spec node-agent 5.3, gap G7).
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createCapturingLogger } from '@ambit/runtime/testing';
import { ZdsServer } from './server.ts';
import { heldPod, type ScriptedProxy, scriptedProxy } from './testing.ts';

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A server that this proxy is connected to. */
function serving(proxy: ScriptedProxy) {
  const log = createCapturingLogger();
  const server = new ZdsServer({ pods: { list: () => [], get: () => undefined }, onProxies: () => undefined, log });
  server.accept(proxy.channel);
  return { server, log };
}

/** Lets five seconds pass, the time that a proxy has for each of its messages. */
async function passAnswerTime(t: TestContext): Promise<void> {
  await turn();
  t.mock.timers.tick(5000);
  await turn();
}

test('a proxy that does not say hello in time is let go', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const proxy = scriptedProxy({ hello: undefined });
  const { server, log } = serving(proxy);
  await passAnswerTime(t);
  assert.deepEqual([server.proxies, proxy.seen], [0, []]);
  assert.ok(
    log.lines.some(({ fields }) => String(fields['error']).includes('no hello from the node proxy within 5000 ms')),
  );
});

test('after an answer that did not come in time the connection is closed, and a late one answers nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const proxy = scriptedProxy({ answer: (request) => (request === 'add slow' ? undefined : '') });
  const { server } = serving(proxy);
  await turn();
  const [slow, next] = [server.add(heldPod('slow')), server.add(heldPod('next'))];
  const failures = Promise.allSettled([slow, next]);
  await passAnswerTime(t);
  proxy.say('');
  assert.deepEqual(
    (await failures).map((result) =>
      result.status === 'rejected' ? (result.reason as { code: string }).code : result.status,
    ),
    ['ERR_NODE_AGENT_ZDS', 'ERR_NODE_AGENT_ZDS'],
  );
  assert.deepEqual(proxy.seen, ['snapshotSent', 'add slow']);
  await assert.rejects(server.add(heldPod('next')), { code: 'ERR_NODE_AGENT_NO_PROXY' });
});

test('a proxy that speaks without being asked is let go: its words would be taken for the next answer', async () => {
  const proxy = scriptedProxy();
  const { server, log } = serving(proxy);
  await server.add(heldPod('one'));
  proxy.say('');
  await turn();
  assert.equal(server.proxies, 0);
  assert.ok(log.lines.some(({ level, message }) => level === 'warn' && message.includes('without being asked')));
  // Two answers at once: the second one is nobody's.
  const twice = scriptedProxy({
    answer: (request) => {
      if (request === 'add one') twice.say('');
      return '';
    },
  });
  server.accept(twice.channel);
  await server.add(heldPod('one')).catch(() => undefined);
  await turn();
  assert.equal(server.proxies, 0);
});

test('a proxy that cannot be written to, and one that ends before it answers, are gone; the pod is tried again', async () => {
  const broken = scriptedProxy({
    answer: (request) => {
      if (request.startsWith('add')) throw Object.assign(new Error('broken pipe'), { code: 'EPIPE' });
      return '';
    },
  });
  const ending = scriptedProxy({
    answer: (request) => {
      if (request.startsWith('add')) ending.channel.close();
      return request.startsWith('add') ? undefined : '';
    },
  });
  for (const [proxy, why] of [
    [broken, /broken pipe/],
    [ending, /ended the connection before its answer to add/],
  ] as const) {
    const { server } = serving(proxy);
    await turn();
    await assert.rejects(server.add(heldPod('one')), why);
    await turn();
    assert.equal(server.proxies, 0);
    await assert.rejects(server.add(heldPod('one')), { code: 'ERR_NODE_AGENT_NO_PROXY' });
    await server.delete('one');
  }
});

test('an idle proxy that goes is noticed at once', async () => {
  const proxy = scriptedProxy();
  const { server } = serving(proxy);
  await server.delete('none');
  proxy.channel.close();
  await turn();
  assert.equal(server.proxies, 0);
});

test('a proxy that refuses to let a pod go is an error with its words, told after every proxy has heard it', async () => {
  const [refusing, willing] = [
    scriptedProxy({ answer: (request) => (request.startsWith('del') ? 'sockets are in use' : '') }),
    scriptedProxy(),
  ];
  const { server } = serving(refusing);
  server.accept(willing.channel);
  await assert.rejects(server.delete('one'), { code: 'ERR_NODE_AGENT_NACK', message: /sockets are in use/ });
  assert.deepEqual([refusing.seen.at(-1), willing.seen.at(-1)], ['del one', 'del one']);
  assert.equal(server.proxies, 2);
});
