// schema.ValidationAnalyzer.<Kind>: what validation says about each object (IST0106, IST0130, IST0131, IST0133).
import { validateSpec } from '../../validate/index.ts';
import type { Analyzer } from '../analyzer.ts';
import { type AnalyzedKind, analyzedKinds } from '../kinds.ts';
import { messageOf } from '../message.ts';

const VALIDATED = [
  'AuthorizationPolicy',
  'DestinationRule',
  'EnvoyFilter',
  'IstioGateway',
  'PeerAuthentication',
  'ProxyConfig',
  'RequestAuthentication',
  'ServiceEntry',
  'Sidecar',
  'Telemetry',
  'TrafficExtension',
  'VirtualService',
  'WasmPlugin',
  'WorkloadEntry',
  'WorkloadGroup',
] as const satisfies readonly AnalyzedKind[];

/** One analyzer per kind that has rules. Labels and annotations do not count here, as upstream. */
export const schemaAnalyzers: readonly Analyzer[] = VALIDATED.map((kind) => ({
  name: `schema.ValidationAnalyzer.${analyzedKinds[kind].kind}`,
  description: `Runs schema validation as an analyzer on '${analyzedKinds[kind].kind}' resources`,
  inputs: [kind],
  analyze: ({ objects }, report) => {
    for (const subject of objects.all(kind)) {
      const { group } = analyzedKinds[kind];
      const found = validateSpec(group, analyzedKinds[kind].kind, subject);
      for (const text of found.errors) report(messageOf('IST0106', subject, `Schema validation error: ${text}`));
      for (const warning of found.warnings) {
        const { unused } = warning;
        if (unused === undefined) {
          report(messageOf('IST0133', subject, `Schema validation warning: ${warning.text}`));
        } else if (unused.kind === 'rule') {
          report(messageOf('IST0130', subject, `VirtualService rule ${unused.rule} not used (${unused.reason}).`));
        } else {
          report(
            messageOf(
              'IST0131',
              subject,
              `VirtualService rule ${unused.rule} match ${unused.match} is not used (duplicate/overlapping match in rule ${unused.duplicate}).`,
            ),
          );
        }
      }
    }
  },
}));
