// serviceentry.Analyzer: TCP ports without an address to be told apart by (IST0134).
import { listOf, mapOf, mapsOf, textOf } from '../../validate/json.ts';
import type { AnalysisView, Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';

/** See the file's comment. */
export const serviceEntryAddressesAnalyzer: Analyzer = {
  name: 'serviceentry.Analyzer',
  description: 'Checks the validity of ServiceEntry',
  inputs: ['ServiceEntry'],
  analyze: (view, report) => {
    if (isAllocatedByProxies(view)) return;
    for (const entry of view.objects.all('ServiceEntry')) {
      if ([entry.spec, entry.status].some((part) => listOf(part['addresses']).length > 0)) continue;
      for (const [index, port] of mapsOf(entry.spec['ports']).entries()) {
        if (!['', 'TCP'].includes(textOf(port['protocol']).toUpperCase())) continue;
        const text = 'ServiceEntry addresses are required for this protocol.';
        report(messageOf('IST0134', entry, text, `.spec.ports[${index}].name`));
      }
    }
  },
};

function isAllocatedByProxies({ mesh }: AnalysisView): boolean {
  const metadata = mapOf(mapOf(mesh['defaultConfig'])['proxyMetadata']);
  if (metadata['ISTIO_META_DNS_CAPTURE'] !== 'true') return false;
  return metadata['ISTIO_META_DNS_AUTO_ALLOCATE'] === 'true' || metadata['PILOT_ENABLE_IP_AUTOALLOCATE'] === 'true';
}
