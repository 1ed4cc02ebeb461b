// In: what this agent knows of connections from before an enrolment. Out: one small file per captured pod, for the agent that comes after it.
// Called by connections.ts and app.ts. Main thread. The folder is in the agent's run folder, which is in memory and gone after a reboot, as
// the connections are.
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NodeAgentError } from '../errors.ts';
import { replaceFile } from '../write-file.ts';
import { connectionOf, type TableConnection } from './table.ts';

/** Folder of the records, in the agent's run folder. */
export const unprotectedRecordFolder = 'unprotected';
/** Largest file that is read, in bytes: some 200,000 connections. */
export const recordLimit = 16 * 1024 * 1024;
/** Most connections of one pod that are written; they fit into {@link recordLimit}. */
export const connectionLimit = 100_000;
const version = 1;
const uidCharacters = new Set('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-');

/** What a file says: the kernel's run, the pod's namespace in it, and what was open in there. */
export interface RecordText {
  readonly boot: string;
  readonly netns: string;
  readonly connections: readonly TableConnection[];
}

/** A record as text. */
export function printRecord({ boot, netns, connections }: RecordText): string {
  const lines = connections.map(({ key, socket }) => `${key} ${socket}`);
  return JSON.stringify({ version, boot, netns, connections: lines });
}

/** Reads it back. Throws ERR_NODE_AGENT_RECORD for anything that {@link printRecord} does not write. */
export function readRecord(text: string): RecordText {
  const bad = (what: string, cause?: unknown): NodeAgentError =>
    new NodeAgentError('ERR_NODE_AGENT_RECORD', `the record of unprotected connections ${what}`, { cause });
  if (text.length > recordLimit) throw bad(`is longer than ${recordLimit} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad('is no JSON', cause);
  }
  const { version: found, boot, netns, connections } = (value ?? {}) as { readonly [name: string]: unknown };
  if (found !== version) throw bad('is of another version');
  if (typeof boot !== 'string' || typeof netns !== 'string' || !Array.isArray(connections)) throw bad('lacks a field');
  return {
    boot,
    netns,
    connections: connections.map((line: unknown) => {
      const [key = '', socket = '', ...rest] = typeof line === 'string' ? line.split(' ') : [];
      const [local = '', remote = '', ...more] = key.split('>');
      const connection = rest.length + more.length > 0 ? undefined : connectionOf(local, remote, socket);
      if (connection === undefined) throw bad('has a line that is no connection');
      return connection;
    }),
  };
}

/** The kernel's run: inodes and sockets of another one mean nothing. */
function currentBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** The records of this node. No method throws: an agent without records finds out from the tables of the pods. */
export class UnprotectedRecord {
  readonly #folder: string;
  readonly #log: Logger;
  readonly #boot: string;

  constructor(folder: string, log: Logger, boot = currentBoot()) {
    this.#folder = folder;
    this.#log = log;
    this.#boot = boot;
  }

  /** What was open in this namespace when it was captured; undefined when no agent captured it, or none left a record that can be used. */
  read(uid: string, netns: bigint): readonly TableConnection[] | undefined {
    const path = this.#pathOf(uid);
    if (path === undefined) return undefined;
    return this.#attempt('read', uid, () => {
      const size = statSync(path, { throwIfNoEntry: false })?.size;
      if (size === undefined) return undefined;
      if (size > recordLimit)
        throw new NodeAgentError('ERR_NODE_AGENT_RECORD', `the record of unprotected connections has ${size} bytes`);
      const { boot, netns: recorded, connections } = readRecord(readFileSync(path, 'utf8'));
      return boot === this.#boot && recorded === String(netns) ? connections : undefined;
    });
  }

  /** Replaces what is recorded of a pod. */
  write(uid: string, netns: bigint, connections: readonly TableConnection[]): void {
    const path = this.#pathOf(uid);
    if (path === undefined) return;
    this.#attempt('written', uid, () => {
      // A part would be taken for the whole.
      if (connections.length > connectionLimit) return rmSync(path, { force: true });
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      replaceFile(path, printRecord({ boot: this.#boot, netns: String(netns), connections }), 0o600);
      return undefined;
    });
  }

  remove(uid: string): void {
    const path = this.#pathOf(uid);
    if (path !== undefined) this.#attempt('removed', uid, () => rmSync(path, { force: true }));
  }

  /** Removes the records of all other pods: they left while no agent ran. */
  keepOnly(uids: ReadonlySet<string>): void {
    this.#attempt('removed', '', () => {
      if (statSync(this.#folder, { throwIfNoEntry: false }) === undefined) return;
      for (const name of readdirSync(this.#folder))
        if (!uids.has(name)) rmSync(join(this.#folder, name), { force: true, recursive: true });
    });
  }

  /** Undefined for a UID that is no name of a file. */
  #pathOf(uid: string): string | undefined {
    const isName = uid !== '' && uid.length <= 128 && uid.split('').every((character) => uidCharacters.has(character));
    return isName ? join(this.#folder, uid) : undefined;
  }

  #attempt<T>(what: string, uid: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#log.warn(`unprotected connections of a pod could not be ${what}`, {
        uid,
        code: 'ERR_NODE_AGENT_RECORD',
        error: explain(error),
        try: `is there room, and nothing else, in ${this.#folder}?`,
      });
      return undefined;
    }
  }
}
