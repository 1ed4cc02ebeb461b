// Encoded resources: what xDS sends. In: messages as plain data. Out: bytes, version and the facts that look-ups need.
import { hash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Authorization, AuthorizationSchema } from '@ambit/proto/authorization';
import { AddressSchema } from '@ambit/proto/workload';
import { ipText } from './ip.ts';
import type { AuthorizationInit, ServiceInit, WorkloadInit } from './wire.ts';

/** One resource as it goes over the wire. */
export interface Resource {
  readonly name: string;
  /** Encoded message, without the Any around it. */
  readonly bytes: Uint8Array;
  /** Equal content has an equal version, in every replica and after a restart. */
  readonly version: string;
}

/** A workload or service, with the facts that look-ups ask for. */
export interface AddressResource extends Resource {
  readonly kind: 'workload' | 'service';
  /** `<network>/<ip>` of a workload, `<network>/<ip>[/<length>]` of a service. */
  readonly aliases: readonly string[];
  /** `<namespace>/<hostname>` of the services of a workload. */
  readonly services: readonly string[];
  /** Node of a workload, empty when unknown. */
  readonly node: string;
}

/** Version of encoded content: the first 64 bits of a digest, in hexadecimal. */
export function versionOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 16);
}

/** Encodes a workload. */
export function workloadResource(workload: WorkloadInit): AddressResource {
  const bytes = toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value: workload } }));
  return {
    name: workload.uid ?? '',
    bytes,
    version: versionOf(bytes),
    kind: 'workload',
    aliases: (workload.addresses ?? []).map((address) => `${workload.network ?? ''}/${ipText(address)}`),
    services: Object.keys(workload.services ?? {}),
    node: workload.node ?? '',
  };
}

/** Encodes a service. */
export function serviceResource(service: ServiceInit): AddressResource {
  const bytes = toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value: service } }));
  const aliases = (service.addresses ?? []).map(({ network = '', address = new Uint8Array(4), length }) => {
    const text = `${network}/${ipText(address)}`;
    return length === undefined ? text : `${text}/${length}`;
  });
  const name = `${service.namespace ?? ''}/${service.hostname ?? ''}`;
  return { name, bytes, version: versionOf(bytes), kind: 'service', aliases, services: [], node: '' };
}

/** Encodes an authorization policy. */
export function authorizationResource(policy: AuthorizationInit): Resource {
  const message: Authorization = create(AuthorizationSchema, policy);
  const bytes = toBinary(AuthorizationSchema, message);
  return { name: `${policy.namespace ?? ''}/${policy.name ?? ''}`, bytes, version: versionOf(bytes) };
}
