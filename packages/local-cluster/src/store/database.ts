/**
 * The file on disk: objects, the log of changes and the revision counter in one SQLite database (spec/local-cluster.md
 * 4.1). In: writes already decided; out: durable rows, also after kill -9. Called by the object store only. Main
 * thread; every call is synchronous and short.
 */

import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { LocalClusterError } from '../errors.ts';
import type { KubeObject } from './kube-object.ts';

/** Version of the tables; a larger one in the file is refused. */
const schemaVersion = 1;

/** What happened to an object. */
export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One line of the log. `object` is the new state, or the last one with the revision of its deletion. */
export interface Change {
  readonly revision: number;
  /** `pods`, `deployments.apps`. */
  readonly resource: string;
  readonly type: ChangeType;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

/** An object row as read at the start. */
export interface StoredRow {
  readonly resource: string;
  readonly object: KubeObject;
}

const tables = `
CREATE TABLE IF NOT EXISTS meta (k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  gr TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, rv INTEGER NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (gr, ns, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
  rv INTEGER PRIMARY KEY, gr TEXT NOT NULL, type TEXT NOT NULL, json TEXT NOT NULL, prev TEXT);
`;

/** The open database. Owned and closed by the object store. */
export class Database {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #append: StatementSync;
  readonly #setMeta: StatementSync;
  #open = true;

  /** Opens or makes the file; `:memory:` keeps everything in memory (tests). */
  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;');
    this.#db.exec(tables);
    this.#put = this.#db.prepare(
      'INSERT INTO objects (gr, ns, name, uid, rv, json) VALUES (?, ?, ?, ?, ?, ?) ' +
        'ON CONFLICT (gr, ns, name) DO UPDATE SET uid = excluded.uid, rv = excluded.rv, json = excluded.json',
    );
    this.#remove = this.#db.prepare('DELETE FROM objects WHERE gr = ? AND ns = ? AND name = ?');
    this.#append = this.#db.prepare('INSERT INTO log (rv, gr, type, json, prev) VALUES (?, ?, ?, ?, ?)');
    this.#setMeta = this.#db.prepare(
      'INSERT INTO meta (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v',
    );
    this.#checkVersion(file);
  }

  #checkVersion(file: string): void {
    const found = this.readMeta('schema');
    if (found === undefined) this.#setMeta.run('schema', String(schemaVersion));
    else if (Number(found) > schemaVersion) {
      throw new LocalClusterError(
        'ERR_LOCAL_CLUSTER_STATE_VERSION',
        `state ${file} has version ${found}, this program knows ${schemaVersion}`,
        { hint: 'start the newer program again, or choose another state folder' },
      );
    }
  }

  readMeta(key: string): string | undefined {
    const row = this.#db.prepare('SELECT v FROM meta WHERE k = ?').get(key);
    return row === undefined ? undefined : String(row['v']);
  }

  /** Last revision given out; 0 for a new file. */
  revision(): number {
    const row = this.#db
      .prepare('SELECT max(rv) AS rv FROM (SELECT max(rv) AS rv FROM log UNION ALL SELECT max(rv) FROM objects)')
      .get();
    return Math.max(Number(row?.['rv'] ?? 0), Number(this.readMeta('revision') ?? 0));
  }

  /** Everything before and including this revision is gone from the log. */
  compactedRevision(): number {
    return Number(this.readMeta('compacted') ?? 0);
  }

  *objects(): Generator<StoredRow> {
    for (const row of this.#db.prepare('SELECT gr, json FROM objects').iterate()) {
      yield { resource: String(row['gr']), object: JSON.parse(String(row['json'])) as KubeObject };
    }
  }

  *changes(): Generator<Change> {
    for (const row of this.#db.prepare('SELECT rv, gr, type, json, prev FROM log ORDER BY rv').iterate()) {
      yield {
        revision: Number(row['rv']),
        resource: String(row['gr']),
        type: String(row['type']) as ChangeType,
        object: JSON.parse(String(row['json'])) as KubeObject,
        previous: row['prev'] === null ? undefined : (JSON.parse(String(row['prev'])) as KubeObject),
      };
    }
  }

  /** Writes one change: the object row and its log line, in one transaction. The texts are the objects' JSON. */
  write(change: Change, json: string, previousJson: string | undefined): void {
    const { metadata } = change.object;
    const ns = metadata.namespace ?? '';
    const name = metadata.name ?? '';
    this.#db.exec('BEGIN');
    try {
      if (change.type === 'DELETED') this.#remove.run(change.resource, ns, name);
      else this.#put.run(change.resource, ns, name, metadata.uid ?? '', change.revision, json);
      this.#append.run(change.revision, change.resource, change.type, json, previousJson ?? null);
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Drops log lines up to a revision and remembers both counters. */
  compact(upTo: number, current: number): void {
    this.#db.exec('BEGIN');
    this.#db.prepare('DELETE FROM log WHERE rv <= ?').run(upTo);
    this.#setMeta.run('compacted', String(upTo));
    this.#setMeta.run('revision', String(current));
    this.#db.exec('COMMIT');
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#db.close();
  }
}
