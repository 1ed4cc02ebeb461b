// The API server of the local cluster as a process, for tests in which a double says too little: versions, conflicts, roles, served kinds.
// In: nothing. Out: a client. Called by tests of the control plane.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRestClient, kubeconfigAccess, type RestClient } from '@ambit/kube';

const main = join(import.meta.dirname, '../../local-cluster/src/main.ts');

/** A running local cluster. */
export interface LocalCluster extends AsyncDisposable {
  readonly client: RestClient;
  /** Path of the file that says how to reach it. */
  readonly kubeconfig: string;
}

/** Starts one; ends with its disposal. */
export async function localCluster(): Promise<LocalCluster> {
  const state = await mkdtemp(join(tmpdir(), 'ambit-t-api-'));
  const words = ['--conditions=@ambit/source', main, 'up', '--state', state, '--mode', 'loopback'];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(state, { recursive: true, force: true });
  };
  try {
    const deadline = Date.now() + 60_000;
    while (!existsSync(join(state, 'cluster.json'))) {
      assert.ok(child.exitCode === null && Date.now() < deadline, `no local cluster\n${output}`);
      await delay(25);
    }
    const kubeconfig = join(state, 'kubeconfig');
    const client = createRestClient(await kubeconfigAccess(kubeconfig), { userAgent: 'test' });
    return {
      client,
      kubeconfig,
      async [Symbol.asyncDispose]() {
        client.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
