// The native half of @ambit/net in real network namespaces: sockets made inside, original destination, transparent
// source, descriptors over SEQPACKET, sysctls, capture. Root only; namespaces are made and removed here.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  bindListener,
  bindTransparentListener,
  connect,
  connectSequenced,
  dumpRoutes,
  type Endpoint,
  insideNetns,
  listen,
  type Listener,
  listenSequenced,
  netfilterGeneration,
  netfilterTables,
  netnsFromFd,
  openCapture,
  openNetns,
  originalDestination,
  readSysctl,
  type SequencedSocket,
  writeSysctl,
} from '@ambit/net';
import { collect, readSome, send } from '@ambit/net/testing';
import { createPodNetwork, type PodNamespace } from '../fixtures/pod-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const home = (): string => readlinkSync('/proc/thread-self/ns/net');

async function serve(pod: PodNamespace, port: number): Promise<{ listener: Listener; accepted: Promise<Endpoint> }> {
  const { promise, resolve } = Promise.withResolvers<Endpoint>();
  const fd = bindListener({ kind: 'netns', fd: pod.netns.fd }, { port, mark: 1337, reusePort: true });
  const listener = await listen(fd, { onConnection: resolve });
  return { listener, accepted: promise };
}

suite('native sockets in namespaces', { skip, timeout: 60_000 }, () => {
  test('a listener bound inside serves the namespace, and this thread is back home', async () => {
    using network = createPodNetwork();
    const server = network.pod('s', '10.201.7.2', { enrolled: false });
    const client = network.pod('c', '10.201.7.1', { enrolled: false });
    const before = home();
    const { listener, accepted } = await serve(server, 8080);
    assert.equal(home(), before);
    const far = await connect({ kind: 'netns', fd: client.netns.fd }, { host: server.ip, port: 8080, mark: 1337 });
    assert.equal(home(), before);
    const near = await accepted;
    assert.equal(near.remote?.ip, client.ip);
    send(far, 'hello');
    assert.equal((await readSome(near, 5)).toString(), 'hello');
    far.shutdownWrite();
    near.shutdownWrite();
    await Promise.all([collect(near), collect(far)]);
    listener.close();
  });

  test('the original destination of a redirected connection is known', async () => {
    using network = createPodNetwork();
    const pod = network.pod('r', '10.201.7.1', { enrolled: false });
    const inside = (...argv: string[]): void =>
      void execFileSync('ip', ['netns', 'exec', `ambit-t-${process.pid}-r`, ...argv]);
    inside(
      'nft',
      'add table ip t; add chain ip t o { type nat hook output priority -100; }; add rule ip t o tcp dport 9999 redirect to :15001',
    );
    const { listener, accepted } = await serve(pod, 15_001);
    const client = await connect({ kind: 'netns', fd: pod.netns.fd }, { host: '10.96.0.77', port: 9999 });
    const endpoint = await accepted;
    assert.deepEqual(originalDestination(endpoint), { ip: '10.96.0.77', port: 9999 });
    client.destroy(new Error('over'));
    endpoint.destroy(new Error('over'));
    listener.close();
  });

  test('a transparent connect leaves from an address that is not ours', async () => {
    using network = createPodNetwork();
    const pod = network.pod('t', '10.201.7.1', { enrolled: false });
    const name = `ambit-t-${process.pid}-t`;
    const run = (...argv: string[]): void => void execFileSync('ip', ['netns', 'exec', name, 'ip', ...argv]);
    // As in an enrolled pod: answers to the borrowed address come back to the local socket.
    run('rule', 'add', 'fwmark', '1337', 'lookup', '100');
    run('route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo', 'table', '100');
    run('rule', 'add', 'from', pod.ip, 'lookup', '100');
    const bound = bindTransparentListener({ kind: 'netns', fd: pod.netns.fd }, { port: 8081 });
    assert.equal(bound.isTransparent, true);
    const { promise, resolve } = Promise.withResolvers<Endpoint>();
    const listener = await listen(bound.fd, { onConnection: resolve });
    const options = {
      host: pod.ip,
      port: 8081,
      source: '198.51.100.9',
      transparent: true,
      mark: 1337,
      timeoutMs: 3000,
    };
    const client = await connect({ kind: 'netns', fd: pod.netns.fd }, options);
    assert.equal((await promise).remote?.ip, '198.51.100.9');
    client.destroy(new Error('over'));
    (await promise).destroy(new Error('over'));
    listener.close();
  });

  test('a namespace descriptor travels over SEQPACKET and can be entered by the receiver', async () => {
    using network = createPodNetwork();
    const pod = network.pod('q', '10.201.7.1', { enrolled: false });
    const folder = mkdtempSync(join(tmpdir(), 'ambit-t-'));
    const { promise, resolve } = Promise.withResolvers<SequencedSocket>();
    const listener = listenSequenced(join(folder, 'z.sock'), resolve);
    try {
      const client = connectSequenced(join(folder, 'z.sock'));
      const agent = await promise;
      agent.send(Buffer.from('add'), pod.netns.fd);
      const packet = await client.receive();
      assert.equal(packet?.bytes.toString(), 'add');
      const received = netnsFromFd(packet?.fds[0] ?? -1);
      assert.equal(received.inode, pod.netns.inode);
      insideNetns(received.fd, () => assert.ok(home().includes(`${pod.netns.inode}`)));
      received.close();
      agent.close();
      assert.equal(await client.receive(), undefined);
    } finally {
      listener.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a sysctl is written in the namespace and nowhere else', () => {
    using network = createPodNetwork();
    const pod = network.pod('y', '10.201.7.1', { enrolled: false });
    const own = openNetns('/proc/thread-self/ns/net');
    const before = readSysctl(own.fd, 'ipv4/tcp_migrate_req');
    writeSysctl(pod.netns.fd, 'ipv4/tcp_migrate_req', '1');
    assert.equal(readSysctl(pod.netns.fd, 'ipv4/tcp_migrate_req'), '1');
    assert.equal(readSysctl(own.fd, 'ipv4/tcp_migrate_req'), before);
    own.close();
  });

  test('a capture sees the bytes that cross the wire', async () => {
    using network = createPodNetwork();
    const server = network.pod('s', '10.201.7.2', { enrolled: false });
    const client = network.pod('c', '10.201.7.1', { enrolled: false });
    const capture = openCapture(network.bridge.fd);
    const { listener, accepted } = await serve(server, 8080);
    const far = await connect({ kind: 'netns', fd: client.netns.fd }, { host: server.ip, port: 8080 });
    const near = await accepted;
    send(far, 'plain as day');
    await readSome(near, 12);
    let isSeen = false;
    for (let frame = capture.read(); frame !== undefined; frame = capture.read())
      isSeen ||= frame.includes('plain as day');
    assert.ok(isSeen);
    capture.close();
    far.destroy(new Error('over'));
    near.destroy(new Error('over'));
    listener.close();
  });

  test('a worker thread has its own home', async () => {
    using network = createPodNetwork();
    const pod = network.pod('w', '10.201.7.1', { enrolled: false });
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      import { readlinkSync } from 'node:fs';
      const { insideNetns } = await import(workerData.module);
      const at = () => readlinkSync('/proc/thread-self/ns/net');
      const inside = insideNetns(workerData.fd, at);
      parentPort.postMessage({ inside, after: at() });`;
    const module = new URL('../../packages/net/src/index.ts', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { fd: pod.netns.fd, module },
    });
    const seen = await new Promise<{ inside: string; after: string }>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    assert.ok(seen.inside.includes(`${pod.netns.inode}`));
    assert.equal(seen.after, home());
  });

  test('what a section must not do is refused: promises and nesting', () => {
    using network = createPodNetwork();
    const pod = network.pod('x', '10.201.7.1', { enrolled: false });
    const before = home();
    assert.throws(() => insideNetns(pod.netns.fd, () => Promise.resolve()), { code: 'ERR_NET_ARGUMENT' });
    const nested = (): unknown => insideNetns(pod.netns.fd, () => insideNetns(pod.netns.fd, () => 1));
    assert.throws(nested, { code: 'ERR_NET_ARGUMENT' });
    const failing = (): never => {
      throw new Error('inside');
    };
    assert.throws(() => insideNetns(pod.netns.fd, failing), { message: 'inside' });
    assert.equal(home(), before);
  });

  test('a change of packet filters is counted, and a long list of routes comes back whole', () => {
    using network = createPodNetwork();
    const pod = network.pod('g', '10.201.7.1', { enrolled: false });
    const inside = (program: string, args: readonly string[], input = ''): void =>
      void execFileSync('ip', ['netns', 'exec', `ambit-t-${process.pid}-g`, program, ...args], { input });
    assert.deepEqual(netfilterTables(pod.netns.fd), []);
    inside('nft', ['add table ip t; add table inet istio-ambient-nat']);
    assert.deepEqual(netfilterTables(pod.netns.fd), ['t', 'istio-ambient-nat']);
    const before = netfilterGeneration(pod.netns.fd);
    assert.equal(typeof before, 'number');
    assert.equal(netfilterGeneration(pod.netns.fd), before);
    inside('nft', ['list ruleset']);
    assert.equal(netfilterGeneration(pod.netns.fd), before, 'looking changes nothing');
    inside('nft', ['add chain ip t c']);
    assert.notEqual(netfilterGeneration(pod.netns.fd), before);

    // More than fits into one packet of the kernel.
    const routes = Array.from(
      { length: 2000 },
      (_, index) => `local 10.9.${index >> 8}.${index & 255} dev lo table 77`,
    );
    inside('ip', ['-batch', '-'], routes.map((route) => `route add ${route}\n`).join(''));
    const header = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const [found = [], rules = []] = dumpRoutes(pod.netns.fd, [
      { type: 26, body: header },
      { type: 34, body: header },
    ]);
    assert.equal(found.filter((body) => body[4] === 77).length, routes.length);
    assert.ok(rules.length >= 3);
    assert.throws(() => dumpRoutes(pod.netns.fd, [{ type: 9999, body: header }]), { code: 'ERR_NET_SYSTEM_CALL' });
  });
});
