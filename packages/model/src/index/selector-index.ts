// Which selectors match a set of labels, without trying them all: every selector is filed under its first pair.
import { isSubset, type Labels } from '../labels.ts';
import { MultiMap } from './multi-map.ts';

interface Entry {
  readonly item: string;
  readonly namespace: string;
  readonly selector: Labels;
  readonly bucket: string;
}

/** Non-empty selectors of a namespace, found by the labels they select. */
export class SelectorIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #buckets = new MultiMap<string, Entry>();

  /** Files `item`; replaces an older selector of the same item. An empty or absent selector selects nothing. */
  set(item: string, namespace: string, selector: Labels | undefined): void {
    this.delete(item);
    const first = Object.keys(selector ?? {}).toSorted()[0];
    if (selector === undefined || first === undefined) return;
    const entry = { item, namespace, selector, bucket: `${namespace}\0${first}\0${selector[first]}` };
    this.#entries.set(item, entry);
    this.#buckets.add(entry.bucket, entry);
  }

  delete(item: string): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    this.#buckets.remove(entry.bucket, entry);
  }

  /** Items of `namespace` whose selector matches `labels`, in no particular order. */
  matching(namespace: string, labels: Labels): string[] {
    const items: string[] = [];
    for (const key in labels) {
      for (const entry of this.#buckets.get(`${namespace}\0${key}\0${labels[key]}`)) {
        if (isSubset(entry.selector, labels)) items.push(entry.item);
      }
    }
    return items;
  }
}
