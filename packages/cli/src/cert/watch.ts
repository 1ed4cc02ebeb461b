// `ambit cert watch`. In: how often to look. Out: certificates as they are issued, renewed and end, and those that should have been renewed.
// Node proxies are asked again and again through their admin port; the root of the mesh is read beside. Called by command.ts.
import { certificatesOfPem } from '@ambit/identity';
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedCluster } from '../cluster/open.ts';
import { exitStatus } from '../output/exit-status.ts';
import { rowPrinter } from '../output/row-printer.ts';
import { toned } from '../output/style.ts';
import { badEvents, type CertEvent, CertFollower } from './changes.ts';
import { type CertRow, readCerts } from './list.ts';
import { rootsOf } from './roots.ts';
import { spanText } from './span-text.ts';

/** Options of the command. */
export interface CertWatchOptions {
  readonly output: 'table' | 'jsonl';
  readonly intervalMs: number;
  readonly warnMs?: number;
  /** Part of the identity. */
  readonly only?: string;
}

/** The roots of the mesh as rows beside those of identities. Pure. */
export function rootRows(pem: string, nowMs: number): readonly CertRow[] {
  return certificatesOfPem(pem).map((der) => {
    const { serialNumber, validFromDate, validToDate } = new X509Certificate(der);
    const leftMs = validToDate.getTime() - nowMs;
    return {
      identity: `root ${BigInt(`0x${serialNumber}`)}`,
      node: '',
      state: 'Available',
      serial: String(BigInt(`0x${serialNumber}`)),
      notBefore: validFromDate.toISOString(),
      notAfter: validToDate.toISOString(),
      leftMs,
      isValid: leftMs > 0 && validFromDate.getTime() <= nowMs,
      roots: [],
    };
  });
}

const cellsOf = ({ time, event, identity, node, leftMs, serial, detail }: CertEvent): readonly string[] => [
  time.slice(11, 19),
  event,
  identity,
  node,
  spanText(leftMs),
  serial,
  detail,
];
const header = ['TIME', 'EVENT', 'IDENTITY', 'NODE', 'ENDS IN', 'SERIAL', 'DETAIL'];

/** Watches until `signal`. Returns the exit status: 3 when a certificate was late, ended or lost. */
export async function certWatch(api: OpenedCluster, options: CertWatchOptions, signal: AbortSignal): Promise<number> {
  const follower = new CertFollower(options.warnMs);
  const row = rowPrinter([8, 7, 52, 10, 10]);
  if (options.output === 'table') process.stdout.write(`${row(header)}\n`);
  let isBad = false;
  let silentBefore = '';
  while (!signal.aborted) {
    const { rows, nodes, silent } = await readCerts(api);
    const nowMs = Date.now();
    const wanted = rows.filter(({ identity }) => options.only === undefined || identity.includes(options.only));
    const roots = await rootsOf(api).then(
      (pem) => rootRows(pem, nowMs),
      () => undefined,
    );
    // A root has no node: it is gone when the list of roots was read and lacks it.
    const answered = new Set([...nodes, ...(roots === undefined ? [] : [''])]);
    for (const event of follower.look([...(roots ?? []), ...wanted], answered, nowMs)) {
      const bad = badEvents.has(event.event);
      isBad ||= bad;
      const text = options.output === 'jsonl' ? JSON.stringify(event) : row(cellsOf(event));
      process.stdout.write(`${bad && options.output === 'table' ? toned('bad', text) : text}\n`);
    }
    if (silent.join() !== silentBefore) process.stderr.write(silentText(silent));
    silentBefore = silent.join();
    await delay(options.intervalMs, undefined, { signal }).catch(() => undefined);
  }
  return isBad ? exitStatus.no : exitStatus.done;
}

const silentText = (silent: readonly string[]): string =>
  silent.length === 0
    ? 'all node proxies answer again\n'
    : `no answer from ${silent.join(', ')}\ntry: ambit node list\n`;
