// Virtual addresses of ServiceEntries that bring none (spec control-plane 2.9.1). In: all ServiceEntries and two address ranges.
// Out: the entries whose status shall change. What an entry has it keeps, unless a user's or an older entry's address collides.
// Pure; called by allocate.ts. The first place that is tried depends only on the host's name, so replicas agree.
import { hash } from 'node:crypto';
import { ipBytes, ipPrefix, ipText } from '@ambit/model/ip';
import type { ServiceEntry } from '@ambit/resources';

const AUTO_ALLOCATE = 'networking.istio.io/enable-autoallocate-ip';
/** Addresses of a range that are tried before a host goes without one. */
const MAX_PROBES = 65_536;

/** Ranges as CIDR texts; at most 32 bits of each are used. */
export interface VipRanges {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** An address of one host, as the status has it. */
export interface HostAddress {
  readonly host: string;
  readonly value: string;
}

/** A wanted status. */
export interface VipChange {
  readonly entry: ServiceEntry;
  readonly addresses: readonly HostAddress[];
}

/** Entries whose addresses shall change; an empty list clears. */
export function assignVips(entries: Iterable<ServiceEntry>, ranges: VipRanges): VipChange[] {
  const sorted = [...entries].toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const pools = [new Pool(ranges.ipv4), new Pool(ranges.ipv6)];
  const taken = new Set(sorted.flatMap((entry) => (entry.spec?.addresses ?? []).map(plainIp)));
  const kept = new Map<ServiceEntry, HostAddress[]>();
  for (const entry of sorted) {
    const hosts = new Set(hostsOf(entry));
    const own = assignedOf(entry).filter(({ host, value }) => hosts.has(host) && pools.some((p) => p.contains(value)));
    const free = own.filter(({ value }) => !taken.has(value));
    for (const { value } of free) taken.add(value);
    kept.set(entry, free);
  }
  const changes: VipChange[] = [];
  for (const entry of sorted) {
    const addresses = hostsOf(entry).flatMap((host) =>
      pools.flatMap((pool) => {
        const known = kept.get(entry)?.find((a) => a.host === host && pool.contains(a.value));
        const value = known?.value ?? pool.take(host, taken);
        return value === undefined ? [] : [{ host, value }];
      }),
    );
    if (JSON.stringify(addresses) !== JSON.stringify(assignedOf(entry))) changes.push({ entry, addresses });
  }
  return changes;
}

/** Hosts that get addresses; none when the entry has its own, needs none or declines. */
function hostsOf({ metadata, spec }: ServiceEntry): readonly string[] {
  const resolution = spec?.resolution ?? 'NONE';
  const isDeclined = metadata.labels?.[AUTO_ALLOCATE]?.toLowerCase() === 'false';
  if ((spec?.addresses ?? []).length > 0 || resolution === 'NONE' || isDeclined) return [];
  return [...new Set(spec?.hosts ?? [])].filter((host) => !host.startsWith('*') || resolution === 'DYNAMIC_DNS');
}

function assignedOf({ status }: ServiceEntry): HostAddress[] {
  return (status?.addresses ?? []).map(({ host = '', value = '' }) => ({ host, value }));
}

function orderOf({ metadata }: ServiceEntry): string {
  return `${metadata.creationTimestamp ?? ''}\0${metadata.namespace ?? ''}\0${metadata.name ?? ''}`;
}

/** A block of one address is that address; other texts stay what they are and collide with nothing. */
function plainIp(text: string): string {
  const prefix = ipPrefix(text);
  return prefix !== undefined && prefix.length === prefix.bytes.length * 8 ? ipText(prefix.bytes) : text;
}

class Pool {
  readonly #base: Uint8Array;
  readonly #prefixLength: number;
  /** Usable addresses lie between the first and the last of the range. */
  readonly #size: number;

  constructor(range: string) {
    const prefix = ipPrefix(range);
    if (prefix === undefined) throw new RangeError(`not an address range: ${range}`);
    this.#base = prefix.bytes;
    this.#prefixLength = prefix.length;
    this.#size = 2 ** Math.min(prefix.bytes.length * 8 - prefix.length, 32);
  }

  contains(text: string): boolean {
    const bytes = ipBytes(text);
    if (bytes?.length !== this.#base.length) return false;
    const isEqual = (bit: number): boolean => {
      const mask = 0x80 >> (bit & 7);
      return ((bytes[bit >> 3] ?? 0) & mask) === ((this.#base[bit >> 3] ?? 0) & mask);
    };
    return Array.from({ length: this.#prefixLength }, (_v, bit) => bit).every(isEqual);
  }

  /** A free address for the host, which is then taken; undefined when there is none. */
  take(host: string, taken: Set<string>): string | undefined {
    const usable = this.#size - 2;
    if (usable < 1) return undefined;
    const start = Number.parseInt(hash('sha256', host, 'hex').slice(0, 12), 16);
    for (let probe = 0; probe < Math.min(usable, MAX_PROBES); probe++) {
      const text = this.#at(1 + ((start + probe) % usable));
      if (taken.has(text)) continue;
      taken.add(text);
      return text;
    }
    return undefined;
  }

  #at(offset: number): string {
    const bytes = Uint8Array.from(this.#base);
    for (let i = bytes.length - 1, rest = offset; rest > 0; i--, rest = Math.floor(rest / 256)) {
      bytes[i] = (bytes[i] ?? 0) | (rest % 256);
    }
    return ipText(bytes);
  }
}
