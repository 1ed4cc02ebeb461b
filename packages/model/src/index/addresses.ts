// Published addresses with the look-ups of on-demand clients (spec control-plane 2.2 W2, 4.4 G5). Written by model.ts only.
import type { AddressResource } from '../resource.ts';
import { MultiMap } from './multi-map.ts';

/** Published workloads and services by name, alias, service and node. */
export class AddressIndex {
  readonly #byName = new Map<string, AddressResource>();
  readonly #byAddress = new MultiMap<string, string>();
  readonly #byService = new MultiMap<string, string>();
  readonly #byNode = new MultiMap<string, string>();

  get(name: string): AddressResource | undefined {
    return this.#byName.get(name);
  }

  /** All published addresses in no particular order. */
  all(): Iterable<AddressResource> {
    return this.#byName.values();
  }

  get size(): number {
    return this.#byName.size;
  }

  set(resource: AddressResource): void {
    this.delete(resource.name);
    this.#byName.set(resource.name, resource);
    for (const alias of resource.aliases) this.#byAddress.add(addressOf(alias), resource.name);
    for (const service of resource.services) this.#byService.add(service, resource.name);
    if (resource.node !== '') this.#byNode.add(resource.node, resource.name);
  }

  delete(name: string): void {
    const resource = this.#byName.get(name);
    if (resource === undefined) return;
    this.#byName.delete(name);
    for (const alias of resource.aliases) this.#byAddress.remove(addressOf(alias), name);
    for (const service of resource.services) this.#byService.remove(service, name);
    if (resource.node !== '') this.#byNode.remove(resource.node, name);
  }

  /** Workloads that belong to the service `<namespace>/<hostname>`. */
  workloadsOfService(service: string): ReadonlySet<string> {
    return this.#byService.get(service);
  }

  /** Workloads on a node. */
  workloadsOfNode(node: string): ReadonlySet<string> {
    return this.#byNode.get(node);
  }

  /**
   * Primary names behind a requested key: a workload by uid, workloads by address, or a service by name or address together
   * with its workloads. A block of addresses is found by its first one. Empty when nothing is there.
   */
  resolve(key: string): string[] {
    if (!key.includes('/')) return [];
    const exact = this.#byName.get(key);
    if (exact?.kind === 'workload') return [key];
    const aliased = [...this.#byAddress.get(key)];
    const workloads = aliased.filter((name) => this.#byName.get(name)?.kind === 'workload');
    if (workloads.length > 0) return workloads.toSorted();
    const service = exact?.name ?? aliased.toSorted()[0];
    return service === undefined ? [] : [service, ...this.#byService.get(service)];
  }
}

/** `<network>/<ip>/<length>` without the length. */
function addressOf(alias: string): string {
  const slash = alias.indexOf('/', alias.indexOf('/') + 1);
  return slash < 0 ? alias : alias.slice(0, slash);
}
