// Equal parts of workloads held once. In: a record, as a message or another thread gave it. Out: the same record in the one shape
// that all have, with its repeated texts and its equal parts shared. Called by store.ts for each workload that comes in.
//
// What comes from a decoder or a structured clone has a copy of each text of its own, and the memberships of each pod a table of
// their own; pods of one deployment differ in three fields.

import type { Workload } from '../workload.ts';

/** Values remembered per kind; when there are more, sharing begins anew and older records keep what they have. */
const REMEMBERED_VALUES = 65_536;

/** Shares parts among the workloads of one store. */
export class Sharing {
  readonly #texts = new Map<string, string>();
  readonly #parts = new Map<string, unknown>();
  /** What was shared already comes again by itself, record after record of one diff. */
  readonly #known = new WeakMap<object, unknown>();

  /** An equal record. The given one is not needed any more; what it holds may be part of the result. */
  workload(given: Workload): Workload {
    return {
      uid: given.uid,
      name: given.name,
      namespace: this.#text(given.namespace),
      ips: given.ips,
      hostname: this.#text(given.hostname),
      network: this.#text(given.network),
      protocol: given.protocol === 'HBONE' ? 'HBONE' : 'TCP',
      trustDomain: this.#text(given.trustDomain),
      serviceAccount: this.#text(given.serviceAccount),
      waypoint: this.#part(given.waypoint),
      networkGateway: this.#part(given.networkGateway),
      node: this.#text(given.node),
      canonicalName: this.#text(given.canonicalName),
      canonicalRevision: this.#text(given.canonicalRevision),
      workloadType: this.#text(given.workloadType),
      workloadName: this.#text(given.workloadName),
      nativeTunnel: given.nativeTunnel,
      applicationTunnel: this.#part(given.applicationTunnel),
      services: this.#part(given.services),
      authorizationPolicies: this.#part(given.authorizationPolicies),
      healthy: given.healthy,
      clusterId: this.#text(given.clusterId),
      locality: this.#part(given.locality),
      hostNetwork: given.hostNetwork,
      capacity: given.capacity,
    };
  }

  #text<T extends string>(value: T): T {
    return remembered(this.#texts as Map<string, T>, value, value);
  }

  /** Equal by its JSON text: parts are plain data, and the order of keys is the order in which they are used. */
  #part<T extends object | undefined>(value: T): T {
    if (value === undefined) return value;
    const known = this.#known.get(value) as T | undefined;
    if (known !== undefined) return known;
    const shared = remembered(this.#parts as Map<string, T>, JSON.stringify(value), value);
    this.#known.set(value, shared);
    return shared;
  }
}

function remembered<T>(known: Map<string, T>, key: string, value: T): T {
  const held = known.get(key);
  if (held !== undefined) return held;
  if (known.size >= REMEMBERED_VALUES) known.clear();
  known.set(key, value);
  return value;
}
