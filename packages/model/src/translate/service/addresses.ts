// Virtual addresses of services. In: address texts of the object. Out: istio.workload.NetworkAddress shapes, or undefined when
// one of them cannot be read, which drops the whole service (spec control-plane 2.9).
import type { Service, ServiceEntry } from '@ambit/resources';
import type { View } from '../../index/view.ts';
import { AUTO_ALLOCATE } from '../../labels.ts';
import { ipBytes, ipPrefix, masked } from '../../ip.ts';

/** One virtual address; `length` only for a block of addresses. */
export interface VirtualAddress {
  readonly network: string;
  readonly address: Uint8Array;
  readonly length?: number;
}

/** Virtual addresses of a Kubernetes Service; none for a headless one. */
export function addressesOfService(service: Service, network: string): VirtualAddress[] | undefined {
  const given = service.spec?.clusterIPs ?? [];
  const texts = given.length > 0 ? given : [service.spec?.clusterIP ?? ''];
  return readAll(
    texts.filter((text) => text !== '' && text !== 'None'),
    (text) => {
      const address = ipBytes(text);
      return address && { network, address };
    },
  );
}

/** Virtual addresses of one host of a ServiceEntry: its own, else those assigned in its status. */
export function addressesOfHost(view: View, entry: ServiceEntry, host: string): VirtualAddress[] | undefined {
  const network = view.network();
  const own = entry.spec?.addresses ?? [];
  if (own.length > 0) return readAll(own, (text) => blockOf(text, network));
  if (!view.options.useAssignedAddresses || !usesAssignedAddresses(entry, host)) return [];
  // What cannot be read of a status is left out: it is ours to write, and the service must not fail for it.
  return (entry.status?.addresses ?? [])
    .filter((assigned) => assigned.host === host)
    .map(({ value }) => ipBytes(value))
    .filter((address) => address !== undefined)
    .map((address) => ({ network, address }));
}

function usesAssignedAddresses(entry: ServiceEntry, host: string): boolean {
  const resolution = entry.spec?.resolution ?? 'NONE';
  if (resolution === 'NONE' || entry.metadata.labels?.[AUTO_ALLOCATE]?.toLowerCase() === 'false') return false;
  return !host.startsWith('*') || resolution === 'DYNAMIC_DNS';
}

function blockOf(text: string, network: string): VirtualAddress | undefined {
  const prefix = ipPrefix(text);
  if (prefix === undefined) return undefined;
  if (prefix.length === prefix.bytes.length * 8) return { network, address: prefix.bytes };
  return { network, address: masked(prefix), length: prefix.length };
}

function readAll(
  texts: readonly string[],
  read: (text: string) => VirtualAddress | undefined,
): VirtualAddress[] | undefined {
  const out: VirtualAddress[] = [];
  for (const text of texts) {
    const address = read(text);
    if (address === undefined) return undefined;
    out.push(address);
  }
  return out;
}
