// All workloads of one generation with their indices, in memory that every thread reads. In: the memory
// (shared-workloads-writer.ts). Out: the maps of a snapshot whose records are made when somebody asks for them. Called by store.ts; any thread.
//
// The memory is written once, before any other thread hears of it, and never again: a reader needs no lock and no version. What changes
// later lies above it (layered-map.ts) until there is so much of it that the writer makes a new one. A snapshot keeps the memory it came
// from, so a reader goes on with the old one until it takes the next snapshot.
//
// A workload is a row of numbers: places of its texts and of its parts (memberships, a waypoint, ... as JSON, an equal one only once).
// An index is a hash table over texts, with a list of rows for each.

import type { Endpoint, Snapshot } from '../snapshot.ts';
import type { ShardedMap } from '../sharded-map.ts';
import type { Workload } from '../workload.ts';
import { type FrozenMap, layeredMap } from './layered-map.ts';
import {
  COLUMN,
  COLUMNS,
  HEAD,
  HEAD_SIZE,
  HEALTHY,
  HOST_NETWORK,
  INDICES,
  type IndexName,
  NATIVE_TUNNEL,
  hashOf,
} from './shared-layout.ts';

/** Records that a thread keeps made, twice. */
const KEPT_RECORDS = 1024;
/** Parts of records that a thread keeps made, twice. */
const KEPT_PARTS = 4096;
/** Members of services that a thread keeps made. */
const KEPT_MEMBERS = 8192;

/** The maps of a snapshot that hold workloads. */
export type WorkloadMaps = Pick<Snapshot, 'workloads' | 'workloadsByAddress' | 'workloadsByHostname' | 'endpoints'>;

/** Reads what {@link writeSharedWorkloads} wrote. One per thread and memory. */
export class SharedWorkloads {
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Uint32Array;
  readonly #bytes: Buffer;
  readonly #rows: number;
  readonly #offsets: number;
  readonly #records = new Recent<number, Workload>(KEPT_RECORDS);
  readonly #members = new Recent<string, ReadonlyMap<string, Endpoint>>(KEPT_MEMBERS, ({ size }) => size);
  readonly #parts = new Recent<number, unknown>(KEPT_PARTS);

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    const head = new Uint32Array(memory, 0, HEAD_SIZE);
    const bytes = head[HEAD.bytes] ?? 0;
    this.#rows = head[HEAD.rows] ?? 0;
    this.#offsets = head[HEAD.offsets] ?? 0;
    this.#numbers = new Uint32Array(memory, 0, bytes);
    this.#bytes = Buffer.from(memory, bytes * 4);
  }

  /** Maps for a snapshot of exactly these workloads. */
  maps(): WorkloadMaps {
    const list = (index: IndexName): ShardedMap<readonly Workload[]> =>
      this.#map(index, (key) => this.#find(index, key)?.map((row) => this.#record(row)));
    const single = (key: string, made: (row: number) => Workload): Workload | undefined => {
      const [row] = this.#find('uid', key) ?? [];
      return row === undefined ? undefined : made(row);
    };
    return {
      workloads: this.#map(
        'uid',
        (uid) => single(uid, (row) => this.#record(row)),
        (uid) => single(uid, (row) => this.#make(row)),
      ),
      workloadsByAddress: list('address'),
      workloadsByHostname: list('hostname'),
      endpoints: this.#map('service', (key) => this.#membersOf(key)),
    };
  }

  /** Workloads of a node whose uid is wanted, made for this walk only. */
  *ofNode(node: string, isWanted: (uid: string) => boolean): IterableIterator<Workload> {
    const known = new Map<number, boolean>();
    const count = this.#at(HEAD.rowCount);
    for (let row = 0; row < count; row += 1) {
      const place = this.#column(row, COLUMN.node);
      let isThere = known.get(place);
      if (isThere === undefined) known.set(place, (isThere = this.#text(place) === node));
      if (isThere && isWanted(this.#text(this.#column(row, COLUMN.uid)))) yield this.#make(row);
    }
  }

  /** `walk` makes what a walk through all values gives: remembering it would push out what is in use. */
  #map<V>(
    index: IndexName,
    get: (key: string) => V | undefined,
    walk: (key: string) => V | undefined = get,
  ): ShardedMap<V> {
    const at = this.#at(HEAD.indices + INDICES.indexOf(index));
    const count = this.#at(at + 1);
    const first = at + 3 + this.#at(at);
    const text = (place: number): string => this.#text(place);
    const number = (place: number): number => this.#at(place);
    const keys = function* (): IterableIterator<string> {
      for (let entry = 0; entry < count; entry += 1) yield text(number(first + entry * 3));
    };
    const base: FrozenMap<V> = {
      size: count,
      get,
      has: (key) => this.#entry(at, key) !== undefined,
      keys,
      *values(isWanted) {
        for (const key of keys()) {
          const value = isWanted(key) ? walk(key) : undefined;
          if (value !== undefined) yield value;
        }
      },
    };
    return layeredMap(base);
  }

  /** The rows of a key. */
  #find(index: IndexName, key: string): readonly number[] | undefined {
    const at = this.#at(HEAD.indices + INDICES.indexOf(index));
    const entry = this.#entry(at, key);
    if (entry === undefined) return undefined;
    const lists = at + 3 + this.#at(at) + this.#at(at + 1) * 3;
    const first = lists + this.#at(entry + 1);
    return [...this.#numbers.subarray(first, first + this.#at(entry + 2))];
  }

  /** Place of the entry of a key in the index at `at`. */
  #entry(at: number, key: string): number | undefined {
    const mask = this.#at(at);
    const entries = at + 3 + mask;
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#at(at + 2 + slot);
      if (entry === 0) return undefined;
      const place = entries + (entry - 1) * 3;
      if (this.#isText(this.#at(place), key)) return place;
    }
  }

  #isText(place: number, text: string): boolean {
    const start = this.#at(this.#offsets + place);
    const length = this.#at(this.#offsets + place + 1) - start;
    if (length < text.length) return false;
    for (let index = 0; index < text.length; index += 1) {
      const byte = this.#bytes[start + index] ?? 0;
      if (byte >= 0x80) return this.#text(place) === text;
      if (byte !== text.charCodeAt(index)) return false;
    }
    return length === text.length;
  }

  #text(place: number): string {
    return this.#bytes.toString('utf8', this.#at(this.#offsets + place), this.#at(this.#offsets + place + 1));
  }

  #at(place: number): number {
    return this.#numbers[place] ?? 0;
  }

  #column(row: number, column: number): number {
    return this.#at(this.#rows + row * COLUMNS + column);
  }

  #membersOf(key: string): ReadonlyMap<string, Endpoint> | undefined {
    const known = this.#members.get(key);
    if (known !== undefined) return known;
    const rows = this.#find('service', key);
    if (rows === undefined) return undefined;
    const members = new Map<string, Endpoint>();
    for (const row of rows) {
      const workload = this.#records.get(row) ?? this.#make(row);
      members.set(workload.uid, { workload, ports: workload.services[key] ?? {} });
    }
    this.#members.set(key, members);
    return members;
  }

  #record(row: number): Workload {
    const known = this.#records.get(row);
    if (known !== undefined) return known;
    const made = this.#make(row);
    this.#records.set(row, made);
    return made;
  }

  #make(row: number): Workload {
    const text = <T extends string>(column: number): T => this.#text(this.#column(row, column)) as T;
    const part = <T>(column: number): T => this.#part(this.#column(row, column)) as T;
    const flags = this.#column(row, COLUMN.flags);
    return {
      uid: text(COLUMN.uid),
      name: text(COLUMN.name),
      namespace: text(COLUMN.namespace),
      ips: JSON.parse(text(COLUMN.ips)) as Workload['ips'],
      hostname: text(COLUMN.hostname),
      network: text(COLUMN.network),
      protocol: text(COLUMN.protocol),
      trustDomain: text(COLUMN.trustDomain),
      serviceAccount: text(COLUMN.serviceAccount),
      waypoint: part(COLUMN.waypoint),
      networkGateway: part(COLUMN.networkGateway),
      node: text(COLUMN.node),
      canonicalName: text(COLUMN.canonicalName),
      canonicalRevision: text(COLUMN.canonicalRevision),
      workloadType: text(COLUMN.workloadType),
      workloadName: text(COLUMN.workloadName),
      nativeTunnel: (flags & NATIVE_TUNNEL) !== 0,
      applicationTunnel: part(COLUMN.applicationTunnel),
      services: part(COLUMN.services),
      authorizationPolicies: part(COLUMN.authorizationPolicies),
      healthy: (flags & HEALTHY) !== 0,
      clusterId: text(COLUMN.clusterId),
      locality: part(COLUMN.locality),
      hostNetwork: (flags & HOST_NETWORK) !== 0,
      capacity: this.#column(row, COLUMN.capacity),
    };
  }

  /** A part, read from its JSON once: pods of one deployment have the same. */
  #part(place: number): unknown {
    const known = this.#parts.get(place);
    if (known !== undefined) return known;
    const text = this.#text(place);
    if (text === '') return undefined;
    const made: unknown = JSON.parse(text);
    this.#parts.set(place, made);
    return made;
  }
}

/** Values that were asked for lately: when they weigh more than the limit, those of the time before are let go. */
class Recent<K, V> {
  readonly #limit: number;
  readonly #weigh: (value: V) => number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  #weight = 0;

  constructor(limit: number, weigh: (value: V) => number = () => 1) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    if (this.#weight >= this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#weight = 0;
    }
    this.#young.set(key, value);
    this.#weight += this.#weigh(value);
  }
}
