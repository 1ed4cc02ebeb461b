// What of the Gateway API the mesh claims, by profile: the core is implied, the extended features are named. Data. Read by
// conformance.test.ts; a feature is added here together with its implementation.

/** One run of the suite: profiles that need the same set-up. */
export interface Run {
  readonly name: 'mesh' | 'gateway';
  /** Whether a test that fails fails the command; what is not claimed is run and counted only. */
  readonly isClaimed: boolean;
  /** Profiles with the features of their core tests. */
  readonly profiles: Readonly<Record<string, readonly string[]>>;
  readonly features: readonly string[];
}

const routeFeatures = [
  'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode',
  'HTTPRoute308RedirectStatusCode',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteCORS',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestMirror',
  'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
];

/** The runs, in order. */
export const runs: readonly Run[] = [
  {
    name: 'mesh',
    isClaimed: true,
    profiles: { 'MESH-HTTP': ['Mesh', 'HTTPRoute'], 'MESH-GRPC': ['Mesh', 'GRPCRoute'] },
    features: [
      'Mesh',
      'HTTPRoute',
      'GRPCRoute',
      ...routeFeatures,
      'MeshClusterIPMatching',
      'MeshConsumerRoute',
      'MeshHTTPRouteBackendRequestHeaderModification',
      'MeshHTTPRouteNamedRouteRule',
      'MeshHTTPRouteQueryParamMatching',
      'MeshHTTPRouteRedirectPath',
      'MeshHTTPRouteRedirectPort',
      'MeshHTTPRouteRewritePath',
      'MeshHTTPRouteSchemeRedirect',
    ],
  },
  {
    name: 'gateway',
    // The waypoint program has no ingress role yet: Gateways of the class `istio` are not served.
    isClaimed: false,
    profiles: {
      'GATEWAY-HTTP': ['Gateway', 'ReferenceGrant', 'HTTPRoute'],
      'GATEWAY-GRPC': ['Gateway', 'ReferenceGrant', 'GRPCRoute'],
      'GATEWAY-TLS': ['Gateway', 'ReferenceGrant', 'TLSRoute'],
    },
    features: ['Gateway', 'ReferenceGrant', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'GatewayPort8080', ...routeFeatures],
  },
];
