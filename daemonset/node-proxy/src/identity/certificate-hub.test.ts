// Which certificates are fetched ahead and which are let go (spec/node-proxy.md 7.3, 13.3).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateManager } from '@ambit/identity/certificate-manager';
import { silentLogger } from '@ambit/runtime/log';
import { createStateStore, identityOf, type StateUpdate, type Workload } from '@ambit/state';
import { testWorkload } from '@ambit/state/testing';
import type { ThreadPool } from '../threads/thread-pool.ts';
import { createCertificateHub } from './certificate-hub.ts';

/** A hub, of node `node-1` unless told otherwise, with what it asked of the manager and told the threads. */
function hubOf({ prefetchFor }: { readonly prefetchFor: string | undefined } = { prefetchFor: 'node-1' }) {
  const asked: string[] = [];
  const manager = {
    watch: () => ({ [Symbol.dispose]() {} }),
    prefetch: (identity: string) => asked.push(`prefetch ${identity}`),
    forget: (identity: string) => asked.push(`forget ${identity}`),
    close() {},
  } as unknown as CertificateManager;
  const threads = {
    broadcast: (message: { kind: string; identity?: string }) => asked.push(`${message.kind} ${message.identity}`),
  } as unknown as ThreadPool;
  const hub = createCertificateHub({ manager, threads, prefetchFor, log: silentLogger });
  const store = createStateStore();
  return {
    apply: (update: StateUpdate): string[] => {
      const before = store.snapshot();
      const { diff } = store.apply(update);
      hub.onDiff(diff, before, store.snapshot());
      return asked.splice(0);
    },
  };
}

const pod = (name: string, serviceAccount: string, change: Partial<Workload> = {}): Workload =>
  testWorkload(name, { serviceAccount, ...change });
const removing = (uid: string): StateUpdate => ({ addresses: { updated: [], removed: [uid] } });
const idOf = (serviceAccount: string): string => identityOf(pod('x', serviceAccount));

test('workloads of the own node are fetched for, of other nodes and outside the mesh not', () => {
  const { apply } = hubOf();
  assert.deepEqual(apply({ workloads: [pod('a', 'one')] }), [`prefetch ${idOf('one')}`]);
  assert.deepEqual(apply({ workloads: [pod('b', 'two', { node: 'node-2' })] }), []);
  assert.deepEqual(apply({ workloads: [pod('c', 'three', { protocol: 'TCP' })] }), []);
  assert.deepEqual(apply({ workloads: [pod('d', 'four', { protocol: 'TCP', nativeTunnel: true })] }), [
    `prefetch ${idOf('four')}`,
  ]);
});

test('a dedicated proxy fetches nothing ahead', () => {
  const { apply } = hubOf({ prefetchFor: undefined });
  assert.deepEqual(apply({ workloads: [pod('a', 'one')] }), []);
  assert.deepEqual(apply(removing('Kubernetes//Pod/default/a')), []);
});

test('an identity is forgotten with its last workload on the node, on all threads', () => {
  const { apply } = hubOf();
  const [first, second] = [pod('a', 'one'), pod('b', 'one')];
  apply({ workloads: [first, second] });
  assert.deepEqual(apply(removing(first.uid)), []);
  assert.deepEqual(apply(removing(second.uid)), [`forget ${idOf('one')}`, `certificate-forget ${idOf('one')}`]);
});

test('a workload whose service account changes lets the identity of before go', () => {
  const { apply } = hubOf();
  apply({ workloads: [pod('a', 'one')] });
  assert.deepEqual(apply({ workloads: [pod('a', 'two')] }), [
    `prefetch ${idOf('two')}`,
    `forget ${idOf('one')}`,
    `certificate-forget ${idOf('one')}`,
  ]);
});
