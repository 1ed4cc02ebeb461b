// All analyzers, in the order of upstream. Called by run.ts.
import type { Analyzer } from './analyzer.ts';
import { annotationsAnalyzer } from './analyzers/annotations.ts';
import { applicationUidAnalyzer } from './analyzers/application-uid.ts';
import { authorizationPolicyAnalyzer } from './analyzers/authorization-policy.ts';
import { blockedCidrsAnalyzer } from './analyzers/blocked-cidrs.ts';
import { conditionAnalyzer } from './analyzers/conditions.ts';
import { deploymentServicesAnalyzer } from './analyzers/deployment-services.ts';
import { deprecationAnalyzer } from './analyzers/deprecation.ts';
import { destinationRuleSubsetAnalyzer } from './analyzers/destination-rule-subset.ts';
import { destinationRuleTlsAnalyzer } from './analyzers/destination-rule-tls.ts';
import { envoyFilterAnalyzer } from './analyzers/envoy-filter.ts';
import { externalControlPlaneAnalyzer } from './analyzers/external-control-plane.ts';
import { gatewayApiSelectorsAnalyzer } from './analyzers/gateway-api-selectors.ts';
import { gatewayApiVersionsAnalyzer } from './analyzers/gateway-api-versions.ts';
import { gatewayCertificatesAnalyzer } from './analyzers/gateway-certificates.ts';
import { gatewayConflictsAnalyzer } from './analyzers/gateway-conflicts.ts';
import { gatewayPortsAnalyzer } from './analyzers/gateway-ports.ts';
import { gatewaySecretsAnalyzer } from './analyzers/gateway-secrets.ts';
import { imageAutoAnalyzer } from './analyzers/image-auto.ts';
import { injectionImageAnalyzer } from './analyzers/injection-image.ts';
import { injectionAnalyzer } from './analyzers/injection.ts';
import { meshNetworksAnalyzer } from './analyzers/mesh-networks.ts';
import { multiClusterServicesAnalyzer } from './analyzers/multi-cluster-services.ts';
import { schemaAnalyzers } from './analyzers/schema.ts';
import { serviceEntryAddressesAnalyzer } from './analyzers/service-entry-addresses.ts';
import { serviceEntryConflictsAnalyzer } from './analyzers/service-entry-conflicts.ts';
import { servicePortNamesAnalyzer } from './analyzers/service-port-names.ts';
import { sidecarSelectorsAnalyzer } from './analyzers/sidecar-selectors.ts';
import {
  telemetryDefaultsAnalyzer,
  telemetryLightstepAnalyzer,
  telemetryProvidersAnalyzer,
  telemetrySelectorsAnalyzer,
} from './analyzers/telemetry.ts';
import { virtualServiceGatewaysAnalyzer } from './analyzers/virtual-service-gateways.ts';
import { virtualServiceHostsAnalyzer } from './analyzers/virtual-service-hosts.ts';
import { virtualServiceJwtAnalyzer } from './analyzers/virtual-service-jwt.ts';
import { virtualServiceMeshHostsAnalyzer } from './analyzers/virtual-service-mesh-hosts.ts';
import { virtualServiceSubsetsAnalyzer } from './analyzers/virtual-service-subsets.ts';
import { webhooksAnalyzer } from './analyzers/webhooks.ts';

/** Analyzers that upstream has, too: they run unless others are asked for. */
export const upstreamAnalyzers: readonly Analyzer[] = [
  annotationsAnalyzer,
  blockedCidrsAnalyzer,
  authorizationPolicyAnalyzer,
  conditionAnalyzer,
  deploymentServicesAnalyzer,
  applicationUidAnalyzer,
  destinationRuleTlsAnalyzer,
  destinationRuleSubsetAnalyzer,
  deprecationAnalyzer,
  envoyFilterAnalyzer,
  externalControlPlaneAnalyzer,
  gatewayPortsAnalyzer,
  gatewayCertificatesAnalyzer,
  gatewaySecretsAnalyzer,
  gatewayConflictsAnalyzer,
  injectionAnalyzer,
  injectionImageAnalyzer,
  imageAutoAnalyzer,
  gatewayApiSelectorsAnalyzer,
  gatewayApiVersionsAnalyzer,
  meshNetworksAnalyzer,
  multiClusterServicesAnalyzer,
  servicePortNamesAnalyzer,
  sidecarSelectorsAnalyzer,
  virtualServiceMeshHostsAnalyzer,
  virtualServiceHostsAnalyzer,
  virtualServiceSubsetsAnalyzer,
  virtualServiceGatewaysAnalyzer,
  virtualServiceJwtAnalyzer,
  serviceEntryAddressesAnalyzer,
  serviceEntryConflictsAnalyzer,
  webhooksAnalyzer,
  telemetryProvidersAnalyzer,
  telemetrySelectorsAnalyzer,
  telemetryDefaultsAnalyzer,
  telemetryLightstepAnalyzer,
  ...schemaAnalyzers,
];
