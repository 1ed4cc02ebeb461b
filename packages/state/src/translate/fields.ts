// Field translations that workloads and services share. In: proto messages. Out: our records, or a Refusal that ends the
// translation of this one resource. Called by the files of this folder; pure.

import type { GatewayAddress as GatewayAddressProto, Port } from '@ambit/proto/workload';

import { ipOfBytes } from '../ip.ts';
import type { GatewayAddress, PortMap } from '../workload.ts';

/** Why one resource is refused; caught at the top of its translation, never leaves this folder. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** Runs a translation; a Refusal becomes its text. */
export function refusing<T>(translate: () => T): T | { readonly kind: 'reject'; readonly reason: string } {
  try {
    return translate();
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'reject', reason: error.message };
    throw error;
  }
}

/** The value of a closed enum; unknown numbers refuse the resource. */
export function closedEnum<T>(field: string, names: readonly (T | undefined)[], value: number): T {
  const name = names[value];
  if (name === undefined) throw new Refusal(`${field}: unknown or unsupported value ${value}`);
  return name;
}

/** Canonical IP text; other lengths than 4 and 16 bytes refuse the resource. */
export function ipField(field: string, bytes: Uint8Array): string {
  const ip = ipOfBytes(bytes);
  if (ip === undefined) throw new Refusal(`${field}: an address has ${bytes.length} bytes instead of 4 or 16`);
  return ip;
}

/** Service port to target port; numbers are cut to 16 bits as ztunnel does. */
export function portMap(ports: readonly Port[]): PortMap {
  const map: Record<number, number> = {};
  for (const port of ports) map[port.servicePort & 0xffff] = port.targetPort & 0xffff;
  return map;
}

/** A gateway reference; one without destination refuses the resource. */
export function gatewayAddress(field: string, message: GatewayAddressProto): GatewayAddress {
  const hboneMtlsPort = message.hboneMtlsPort & 0xffff;
  switch (message.destination.case) {
    case 'address': {
      const { network, address } = message.destination.value;
      return { destination: { kind: 'address', network, ip: ipField(field, address) }, hboneMtlsPort };
    }
    case 'hostname': {
      const { namespace, hostname } = message.destination.value;
      return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort };
    }
    default:
      throw new Refusal(`${field}: no destination`);
  }
}

/** The same for an optional field. */
export function optionalGateway(field: string, message: GatewayAddressProto | undefined): GatewayAddress | undefined {
  return message === undefined ? undefined : gatewayAddress(field, message);
}
