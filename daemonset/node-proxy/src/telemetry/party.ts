/**
 * A workload record or peer baggage in, one end of a connection as telemetry shows it out. Pure; data threads.
 *
 * Which source feeds which label: spec/node-proxy.md 9.1.
 */
import type { Baggage } from '@ambit/hbone';
import { identityOf, type Service, type Workload } from '@ambit/state';
import type { ConnectionParty, ConnectionService } from './connection-record.ts';

/** The party of a workload record. `principal` is the record's own identity unless another is given. */
export function partyOf(workload: Workload, principal?: string): ConnectionParty {
  return {
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
    principal: principal ?? identityOf(workload),
  };
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
    const { principal: _own, ...rest } = partyOf(record);
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

/** The addressed service as telemetry shows it. */
export function serviceParty(service: Service | undefined): ConnectionService | undefined {
  return service === undefined
    ? undefined
    : { hostname: service.hostname, namespace: service.namespace, name: service.name };
}

/** What a workload says about itself in baggage (spec/node-proxy.md 2.5). */
export function baggageOf(workload: Workload): Baggage {
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
