// What of the Gateway API the mesh claims, by profile: the core is implied, the extended features are named. Data. Read by
// conformance.test.ts; a feature is added here together with its implementation.

/** One run of the suite: profiles that need the same set-up. */
export interface Run {
  readonly name: 'mesh' | 'gateway';
  readonly profiles: readonly string[];
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
    profiles: ['MESH-HTTP', 'MESH-GRPC'],
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
    profiles: ['GATEWAY-HTTP', 'GATEWAY-GRPC', 'GATEWAY-TLS'],
    features: ['Gateway', 'ReferenceGrant', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'GatewayPort8080', ...routeFeatures],
  },
];
