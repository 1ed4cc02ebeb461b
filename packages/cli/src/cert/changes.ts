// Certificates at two moments -> what happened in between. Pure. Called by watch.ts.
import type { CertRow } from './list.ts';

/** What happened to the certificate of an identity at one node. */
export interface CertEvent {
  readonly time: string;
  /** `held`: it was there when watching began; `late`: it should have been renewed long ago. */
  readonly event: 'held' | 'issued' | 'renewed' | 'roots' | 'late' | 'ended' | 'lost' | 'gone';
  readonly identity: string;
  readonly node: string;
  readonly serial: string;
  readonly notAfter: string;
  readonly leftMs: number;
  readonly detail: string;
}

/** Events that somebody has to look after. */
export const badEvents: ReadonlySet<CertEvent['event']> = new Set(['late', 'ended', 'lost']);

/** A certificate is renewed at half its life; one with less than this share left was tried again for a long time. */
const LATE_SHARE = 1 / 3;

/** Which certificate it is, wherever rows are compared. */
const keyOf = ({ identity, node }: CertRow): string => `${node} ${identity}`;

/** Ends of one kind are told once for each certificate. */
function ageOf({ notBefore, notAfter, leftMs }: CertRow, warnMs: number | undefined): 'late' | 'ended' | undefined {
  if (notAfter === '') return undefined;
  if (leftMs <= 0) return 'ended';
  const lifeMs = Date.parse(notAfter) - Date.parse(notBefore);
  return leftMs < (warnMs ?? lifeMs * LATE_SHARE) ? 'late' : undefined;
}

const details = {
  late: 'renewal is due at half its life: see the log of the node proxy and ambit check ca-and-trust',
  ended: 'connections with it are refused',
  lost: 'the node proxy has no certificate for it any more',
} as const;

/** Follows the certificates of a mesh. */
export class CertFollower {
  readonly #warnMs: number | undefined;
  #before: ReadonlyMap<string, CertRow> | undefined;
  /** What was said of which certificate. */
  readonly #warned = new Map<string, string>();

  /** `warnMs`: what is left when a certificate counts as late; undefined = a third of its life. */
  constructor(warnMs?: number) {
    this.#warnMs = warnMs;
  }

  /**
   * What happened since the last look. `nodes` are those that answered: nothing is said about the others, whose certificates count as
   * unchanged.
   */
  look(rows: readonly CertRow[], nodes: ReadonlySet<string>, nowMs: number): readonly CertEvent[] {
    const before = this.#before;
    const now = new Map(rows.map((row) => [keyOf(row), row]));
    const events: CertEvent[] = [];
    const tell = (event: CertEvent['event'], row: CertRow, detail = ''): void => {
      const { identity, node, serial, notAfter, leftMs } = row;
      events.push({ time: new Date(nowMs).toISOString(), event, identity, node, serial, notAfter, leftMs, detail });
    };
    for (const [key, row] of now) {
      const old = before?.get(key);
      const isHeld = row.notAfter !== '';
      if (isHeld && (old === undefined || old.notAfter === '')) tell(before === undefined ? 'held' : 'issued', row);
      else if (isHeld && old?.serial !== row.serial) tell('renewed', row, `was ${old?.serial ?? ''}`);
      else if (!isHeld && (old?.notAfter ?? '') !== '') tell('lost', row, row.state || details.lost);
      if (old !== undefined && old.roots.join() !== row.roots.join())
        tell('roots', row, `${old.roots.join(',') || 'none'} -> ${row.roots.join(',') || 'none'}`);
      const age = ageOf(row, this.#warnMs);
      const said = `${age ?? ''} ${row.serial}`;
      if (age !== undefined && this.#warned.get(key) !== said) tell(age, row, details[age]);
      this.#warned.set(key, said);
    }
    const held = new Map(now);
    for (const [key, row] of before ?? []) {
      if (now.has(key)) continue;
      if (nodes.has(row.node)) {
        tell('gone', row, row.node === '' ? 'it is published no more' : 'no pod of it is left on the node');
        this.#warned.delete(key);
      } else held.set(key, row);
    }
    this.#before = held;
    return events;
  }
}
