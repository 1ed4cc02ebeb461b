/**
 * Entry of a data thread: a data plane behind the worker's message port. Started by threads/publish.ts.
 * In: ToDataThread messages. Out: FromDataThread messages; access lines go to standard output from here.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { chooseByteEngine } from '@ambit/hbone';
import { explain } from '@ambit/runtime/errors';
import { createLogger } from '@ambit/runtime/log';
import { standardOutput } from '@ambit/runtime/line-writer';
import { createDataPlane } from './data-plane.ts';
import type { DataThreadSettings, FromDataThread, ToDataThread } from './messages.ts';

const port = parentPort;
if (port === null) throw new Error('data-thread.ts runs only as a worker');
const settings = workerData as DataThreadSettings;
const log = createLogger({ level: settings.logLevel, format: settings.logFormat });
chooseByteEngine(settings.byteEngine);
const lines = standardOutput();
const post = (message: FromDataThread): void => port.postMessage(message);
const plane = createDataPlane({ settings, log, post, accessLine: (line) => lines.write(line) });
port.on('message', (message: ToDataThread) => plane.receive(message));
plane.listen().catch((error: unknown) => post({ kind: 'failed', reason: explain(error) }));
