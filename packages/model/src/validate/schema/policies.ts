// Messages of Istio's policy and telemetry API: fields in order of declaration, as the strict reader of specs needs them. Data: names and types are
// public API. Called by decode.ts. Form: see tables.ts.
import type { PackageTable } from './tables.ts';

/** Tables by package. */
export const policiesPackages: Readonly<Record<string, PackageTable>> = {
  'istio.security.v1beta1': {
    messages: {
      AuthorizationPolicy:
        'selector:istio.type.v1beta1.WorkloadSelector targetRef=targetRef:istio.type.v1beta1.PolicyTargetReference targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* rules:Rule* action:AuthorizationPolicy.Action provider:AuthorizationPolicy.ExtensionProvider|action_detail',
      'AuthorizationPolicy.ExtensionProvider': 'name:string',
      ClaimToHeader: 'header:string claim:string',
      Condition: 'key:string values:string* notValues:string*',
      JWTHeader: 'name:string prefix:string',
      JWTRule:
        'issuer:string audiences:string* jwksUri:string jwks:string fromHeaders:JWTHeader* fromParams:string* outputPayloadToHeader:string fromCookies:string* forwardOriginalToken:bool outputClaimToHeaders:ClaimToHeader* timeout:Duration spaceDelimitedClaims:string* presence:JWTRule.JWTRequirement',
      Operation:
        'hosts:string* notHosts:string* ports:string* notPorts:string* methods:string* notMethods:string* paths:string* notPaths:string*',
      PeerAuthentication:
        'selector:istio.type.v1beta1.WorkloadSelector mtls:PeerAuthentication.MutualTLS portLevelMtls:{uint32}PeerAuthentication.MutualTLS',
      'PeerAuthentication.MutualTLS': 'mode:PeerAuthentication.MutualTLS.Mode',
      RequestAuthentication:
        'selector:istio.type.v1beta1.WorkloadSelector targetRef=targetRef:istio.type.v1beta1.PolicyTargetReference targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* jwtRules:JWTRule*',
      Rule: 'from:Rule.From* to:Rule.To* when:Condition*',
      'Rule.From': 'source:Source',
      'Rule.To': 'operation:Operation',
      Source:
        'principals:string* notPrincipals:string* requestPrincipals:string* notRequestPrincipals:string* namespaces:string* notNamespaces:string* serviceAccounts:string* notServiceAccounts:string* ipBlocks:string* notIpBlocks:string* remoteIpBlocks:string* notRemoteIpBlocks:string* trustDomains:string* notTrustDomains:string*',
    },
    enums: {
      'AuthorizationPolicy.Action': 'ALLOW=0 DENY=1 AUDIT=2 CUSTOM=3',
      'JWTRule.JWTRequirement': 'OPTIONAL=0 REQUIRED=1',
      'PeerAuthentication.MutualTLS.Mode': 'UNSET=0 DISABLE=1 PERMISSIVE=2 STRICT=3',
    },
  },
  'istio.telemetry.v1alpha1': {
    messages: {
      AccessLogging:
        'match:AccessLogging.LogSelector providers:ProviderRef* disabled:BoolValue filter:AccessLogging.Filter',
      'AccessLogging.Filter': 'expression:string',
      'AccessLogging.LogSelector': 'mode:WorkloadMode',
      MetricSelector:
        'metric:MetricSelector.IstioMetric|metric_match customMetric:string|metric_match mode:WorkloadMode',
      Metrics: 'providers:ProviderRef* overrides:MetricsOverrides* reportingInterval:Duration',
      MetricsOverrides: 'match:MetricSelector disabled:BoolValue tagOverrides:{string}MetricsOverrides.TagOverride',
      'MetricsOverrides.TagOverride': 'operation:MetricsOverrides.TagOverride.Operation value:string',
      ProviderRef: 'name:string',
      Telemetry:
        'selector:istio.type.v1beta1.WorkloadSelector targetRef=targetRef:istio.type.v1beta1.PolicyTargetReference targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* tracing:Tracing* metrics:Metrics* accessLogging:AccessLogging*',
      Tracing:
        'match:Tracing.TracingSelector providers:ProviderRef* randomSamplingPercentage:DoubleValue disableSpanReporting:BoolValue customTags:{string}Tracing.CustomTag useRequestIdForTraceSampling:BoolValue enableIstioTags:BoolValue disableContextPropagation:BoolValue',
      'Tracing.CustomTag':
        'literal:Tracing.Literal|type environment:Tracing.Environment|type header:Tracing.RequestHeader|type formatter:Tracing.Formatter|type',
      'Tracing.Environment': 'name:string defaultValue:string',
      'Tracing.Formatter': 'value:string',
      'Tracing.Literal': 'value:string',
      'Tracing.RequestHeader': 'name:string defaultValue:string',
      'Tracing.TracingSelector': 'mode:WorkloadMode',
    },
    enums: {
      'MetricSelector.IstioMetric':
        'ALL_METRICS=0 REQUEST_COUNT=1 REQUEST_DURATION=2 REQUEST_SIZE=3 RESPONSE_SIZE=4 TCP_OPENED_CONNECTIONS=5 TCP_CLOSED_CONNECTIONS=6 TCP_SENT_BYTES=7 TCP_RECEIVED_BYTES=8 GRPC_REQUEST_MESSAGES=9 GRPC_RESPONSE_MESSAGES=10',
      'MetricsOverrides.TagOverride.Operation': 'UPSERT=0 REMOVE=1',
      WorkloadMode: 'CLIENT_AND_SERVER=0 CLIENT=1 SERVER=2',
    },
  },
  'istio.extensions.v1alpha1': {
    messages: {
      EnvVar: 'name:string valueFrom:EnvValueSource value:string',
      LuaConfig: 'inlineCode:string',
      TrafficExtension:
        'selector:istio.type.v1beta1.WorkloadSelector targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* phase:TrafficExtension.ExecutionPhase priority:Int32Value match:TrafficSelector* wasm:WasmConfig|filter_config lua:LuaConfig|filter_config',
      TrafficSelector: 'mode:istio.type.v1beta1.WorkloadMode ports:istio.type.v1beta1.PortSelector*',
      VmConfig: 'env:EnvVar*',
      WasmConfig:
        'url:string sha256:string imagePullPolicy:PullPolicy imagePullSecret:string verificationKey:string pluginConfig:Struct pluginName:string failStrategy:FailStrategy vmConfig:VmConfig type:PluginType',
      WasmPlugin:
        'selector:istio.type.v1beta1.WorkloadSelector targetRef=targetRef:istio.type.v1beta1.PolicyTargetReference targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* url:string sha256:string imagePullPolicy:PullPolicy imagePullSecret:string verificationKey:string pluginConfig:Struct pluginName:string phase:PluginPhase priority:Int32Value failStrategy:FailStrategy vmConfig:VmConfig match:WasmPlugin.TrafficSelector* type:PluginType',
      'WasmPlugin.TrafficSelector': 'mode:istio.type.v1beta1.WorkloadMode ports:istio.type.v1beta1.PortSelector*',
    },
    enums: {
      EnvValueSource: 'INLINE=0 HOST=1',
      FailStrategy: 'FAIL_CLOSE=0 FAIL_OPEN=1 FAIL_RELOAD=2',
      PluginPhase: 'UNSPECIFIED_PHASE=0 AUTHN=1 AUTHZ=2 STATS=3',
      PluginType: 'UNSPECIFIED_PLUGIN_TYPE=0 HTTP=1 NETWORK=2',
      PullPolicy: 'UNSPECIFIED_POLICY=0 IfNotPresent=1 Always=2',
      'TrafficExtension.ExecutionPhase': 'UNSPECIFIED=0 AUTHN=1 AUTHZ=2 STATS=3',
    },
  },
  'istio.type.v1beta1': {
    messages: {
      PolicyTargetReference: 'group:string kind:string name:string namespace:string',
      PortSelector: 'number:uint32',
      WorkloadSelector: 'matchLabels:{string}string',
    },
    enums: {
      WorkloadMode: 'UNDEFINED=0 CLIENT=1 SERVER=2 CLIENT_AND_SERVER=3',
    },
  },
};
