// Entries whose turn it is, most urgent first, oldest first among equals. Called by the certificate manager; no timers.

/** How urgent a certificate is: traffic waits for it, a workload was just seen, or it is a renewal. */
export type Priority = 'real-time' | 'warmup' | 'background';

const order: readonly Priority[] = ['real-time', 'warmup', 'background'];

/** A queue in which every item is at most once. */
export interface ReadyQueue<T> {
  /** Adds, or raises the priority of what is queued; never lowers it. */
  add(item: T, priority: Priority): void;
  /** Raises the priority if the item is queued. Returns the priority it has now (the given one when it is not queued). */
  raise(item: T, priority: Priority): Priority;
  remove(item: T): void;
  /** Takes the next item out. */
  take(): T | undefined;
}

/** An empty queue. */
export function createReadyQueue<T>(): ReadyQueue<T> {
  const lanes: Readonly<Record<Priority, Set<T>>> = {
    'real-time': new Set(),
    warmup: new Set(),
    background: new Set(),
  };
  const laneOf = (item: T): Priority | undefined => order.find((priority) => lanes[priority].has(item));

  const raise = (item: T, priority: Priority): Priority => {
    const current = laneOf(item);
    if (current === undefined || order.indexOf(current) <= order.indexOf(priority)) return current ?? priority;
    lanes[current].delete(item);
    lanes[priority].add(item);
    return priority;
  };
  return {
    add: (item, priority) => {
      if (laneOf(item) === undefined) lanes[priority].add(item);
      else raise(item, priority);
    },
    raise,
    remove: (item) => {
      for (const priority of order) lanes[priority].delete(item);
    },
    take: () => {
      for (const priority of order) {
        const [item] = lanes[priority];
        if (item === undefined) continue;
        lanes[priority].delete(item);
        return item;
      }
      return undefined;
    },
  };
}
