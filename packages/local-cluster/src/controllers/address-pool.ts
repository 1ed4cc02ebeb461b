// Pools of service addresses and node ports. Pure bookkeeping.

/** Hands out unique numbers of a range; `take` marks one as used, `release` frees it. */
export interface NumberPool {
  take(value: number): boolean;
  next(): number | undefined;
  release(value: number): void;
}

/** A pool over `first` to `last`, both included; hands out in order, wrapping, so that freed values rest a while. */
export function createNumberPool(first: number, last: number): NumberPool {
  const used = new Set<number>();
  let cursor = first;
  return {
    take: (value) => {
      if (used.has(value)) return false;
      used.add(value);
      return true;
    },
    next: () => {
      for (let tried = first; tried <= last; tried += 1) {
        const value = cursor;
        cursor = cursor >= last ? first : cursor + 1;
        if (used.has(value)) continue;
        used.add(value);
        return value;
      }
      return undefined;
    },
    release: (value) => {
      used.delete(value);
    },
  };
}

/** `10.96.0.7` for base `10.96.0.0` and offset 7. */
export function addressAt(base: string, offset: number): string {
  const value = toNumber(base) + offset;
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

/** The offset of an IPv4 address from a base; negative or huge when it is outside. */
export function offsetOf(base: string, address: string): number {
  return toNumber(address) - toNumber(base);
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
