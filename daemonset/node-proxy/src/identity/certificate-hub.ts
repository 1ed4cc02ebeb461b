/**
 * Identities that threads and the state need in; certificates pushed to all data threads out. Main thread.
 *
 * Made by `app.ts`. The manager of `@ambit/identity` fetches, renews and retries; here is which identities are wanted:
 * those a connection waits for, and in shared mode those of the workloads of the own node (spec/node-proxy.md 7.3).
 */
import type { CertificateManager } from '@ambit/identity/certificate-manager';
import { background } from '@ambit/runtime/background';
import type { Logger } from '@ambit/runtime/log';
import { identityOf, type Snapshot, type StateDiff, type Workload, workloadsOfNode } from '@ambit/state';
import { errorText } from '../telemetry/response-flags.ts';
import type { ThreadPool } from '../threads/thread-pool.ts';

/** Distributes certificates. */
export interface CertificateHub {
  /** A data thread waits for an identity. */
  onNeed(identity: string, thread: number): void;
  /** The state changed: fetch for new local workloads, forget identities without one. `before` is the view without the diff. */
  onDiff(diff: StateDiff, before: Snapshot, after: Snapshot): void;
  close(): void;
}

/** Makes the hub. `prefetchFor` is the own node's name in shared mode, undefined otherwise. */
export function createCertificateHub(options: {
  readonly manager: CertificateManager;
  readonly threads: ThreadPool;
  readonly prefetchFor: string | undefined;
  readonly log: Logger;
}): CertificateHub {
  const { manager, threads, prefetchFor, log } = options;
  const watching = manager.watch((certificate) =>
    threads.broadcast({ kind: 'certificate', identity: certificate.identity, certificate }),
  );
  const answer = async (identity: string, thread: number): Promise<void> => {
    try {
      const certificate = await manager.get(identity);
      threads.send(thread, { kind: 'certificate', identity, certificate });
    } catch (error) {
      threads.send(thread, { kind: 'certificate-failed', identity, message: errorText(error) });
    }
  };
  const isLocal = (workload: Workload): boolean => workload.node === prefetchFor;
  const forgetUnused = (identities: ReadonlySet<string>, after: Snapshot, node: string): void => {
    const unused = new Set(identities);
    for (const workload of workloadsOfNode(after, node)) unused.delete(identityOf(workload));
    for (const identity of unused) {
      manager.forget(identity);
      threads.broadcast({ kind: 'certificate-forget', identity });
    }
  };
  return {
    onNeed: (identity, thread) => background(log, 'certificate for a data thread', answer(identity, thread)),
    onDiff(diff, before, after) {
      if (prefetchFor === undefined) return;
      const isShared = diff.shared !== undefined;
      for (const workload of isShared ? workloadsOfNode(after, prefetchFor) : diff.workloads.upsert) {
        if (isLocal(workload) && (workload.protocol === 'HBONE' || workload.nativeTunnel)) {
          manager.prefetch(identityOf(workload));
        }
      }
      const gone = new Set<string>();
      if (isShared) for (const old of workloadsOfNode(before, prefetchFor)) gone.add(identityOf(old));
      for (const uid of [...diff.workloads.remove, ...diff.workloads.upsert.map((workload) => workload.uid)]) {
        const old = before.workloads.get(uid);
        if (old !== undefined && isLocal(old)) gone.add(identityOf(old));
      }
      if (gone.size > 0) forgetUnused(gone, after, prefetchFor);
    },
    close() {
      watching[Symbol.dispose]();
      manager.close();
    },
  };
}
