// Analyzers of an ambient mesh that upstream has no counterpart of. They run where they are asked for (`moreAnalyzers`): upstream's
// output stays as it is. Called by the command line tool and by the console.
import type { Analyzer } from '../analyzer.ts';
import { networkPolicyAnalyzer } from './network-policy.ts';
import { nodeProxyMissingAnalyzer } from './node-proxy-missing.ts';
import { podNotCapturedAnalyzer } from './pod-not-captured.ts';
import { policyNeedsWaypointAnalyzer } from './policy-needs-waypoint.ts';
import { routeWithoutWaypointAnalyzer } from './route-without-waypoint.ts';
import { serviceEntryAddressAnalyzer } from './service-entry-address.ts';
import { waypointMissingAnalyzer } from './waypoint-missing.ts';

/** All of them. */
export const ambientAnalyzers: readonly Analyzer[] = [
  podNotCapturedAnalyzer,
  waypointMissingAnalyzer,
  policyNeedsWaypointAnalyzer,
  networkPolicyAnalyzer,
  nodeProxyMissingAnalyzer,
  routeWithoutWaypointAnalyzer,
  serviceEntryAddressAnalyzer,
];
