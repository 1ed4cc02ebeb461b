/**
 * A workload record or peer baggage in, one end of a connection as telemetry shows it out. Pure; data threads.
 *
 * Which source feeds which label: spec/node-proxy.md 9.1.
 */
import { type Baggage, formatBaggage } from '@ambit/hbone';
import { identityOf, type Service, type Workload } from '@ambit/state';
import type { ConnectionParty, ConnectionService } from './connection-record.ts';

// What a record says is made once: records are replaced, never changed. The same object for the same record is also what the counters
// recognise it by.
const parties = new WeakMap<Workload, ConnectionParty>();
const services = new WeakMap<Service, ConnectionService>();
const baggageTexts = new WeakMap<Workload, string>();

/** The party of a workload record, with the record's own identity; the same object each time. */
export function partyOf(workload: Workload): ConnectionParty {
  const known = parties.get(workload);
  if (known !== undefined) return known;
  const party = {
    workload: workload.workloadName,
    instance: workload.name,
    namespace: workload.namespace,
    canonicalService: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    app: workload.canonicalName,
    version: workload.canonicalRevision,
    cluster: workload.clusterId,
    region: workload.locality.region,
    zone: workload.locality.zone,
    principal: identityOf(workload),
  };
  parties.set(workload, party);
  return party;
}

/**
 * The source of an inbound connection: what TLS and baggage say, overwritten by the record where there is one.
 * The principal comes only from TLS.
 */
export function sourceParty(
  record: Workload | undefined,
  principal: string | undefined,
  baggage: Baggage | undefined,
): ConnectionParty | undefined {
  if (record !== undefined) {
    const party = partyOf(record);
    if (party.principal === principal) return party;
    const { principal: _own, ...rest } = party;
    return { ...rest, ...(principal === undefined ? {} : { principal }) };
  }
  if (principal === undefined && baggage === undefined) return undefined;
  return derivedParty(principal, baggage ?? {});
}

/** The party that only TLS and baggage describe. */
export function derivedParty(principal: string | undefined, baggage: Baggage): ConnectionParty {
  const fields: Record<string, string | undefined> = {
    workload: baggage.workloadName,
    namespace: baggage.namespace,
    canonicalService: baggage.serviceName,
    canonicalRevision: baggage.serviceVersion,
    app: baggage.workloadName,
    version: baggage.serviceVersion,
    cluster: baggage.clusterName,
    region: baggage.region,
    zone: baggage.zone,
    principal,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The addressed service as telemetry shows it; the same object for the same record. */
export function serviceParty(service: Service | undefined): ConnectionService | undefined {
  if (service === undefined) return undefined;
  let party = services.get(service);
  if (party === undefined) {
    party = { hostname: service.hostname, namespace: service.namespace, name: service.name };
    services.set(service, party);
  }
  return party;
}

/** The `baggage` header of a workload: what it says about itself (spec/node-proxy.md 2.5). */
export function baggageOf(workload: Workload): string {
  let text = baggageTexts.get(workload);
  if (text === undefined) {
    text = formatBaggage(factsOf(workload));
    baggageTexts.set(workload, text);
  }
  return text;
}

function factsOf(workload: Workload): Baggage {
  return {
    clusterName: workload.clusterId,
    namespace: workload.namespace,
    workloadType: workload.workloadType,
    workloadName: workload.workloadName,
    serviceName: workload.canonicalName,
    serviceVersion: workload.canonicalRevision,
    region: workload.locality.region,
    zone: workload.locality.zone,
  };
}
