// stub
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import type { ServiceWatcher } from '../network/service-watcher.ts';
import type { NodePlace } from '../network/topology.ts';
import type { SandboxFactory } from './sandbox.ts';

export interface LoopbackNodeOptions {
  readonly api: ObjectApi;
  readonly services: ServiceWatcher;
  readonly place: NodePlace;
  readonly nodes: readonly NodePlace[];
  readonly ambitHome: string;
  readonly nodeDir: string;
  readonly log: Logger;
}

export async function startLoopbackNode(
  _options: LoopbackNodeOptions,
): Promise<SandboxFactory & { close(): Promise<void> }> {
  throw new Error('not yet');
}
