// Messages of Istio's networking API: fields in order of declaration, as the strict reader of specs needs them. Data: names and types are
// public API. Called by decode.ts. Form: see tables.ts.
import type { PackageTable } from './tables.ts';

/** Tables by package. */
export const networkingPackages: Readonly<Record<string, PackageTable>> = {
  'istio.networking.v1alpha3': {
    messages: {
      ClientTLSSettings:
        'mode:ClientTLSSettings.TLSmode clientCertificate:string privateKey:string caCertificates:string credentialName:string subjectAltNames:string* sni:string insecureSkipVerify:BoolValue caCrl:string',
      ConnectionPoolSettings: 'tcp:ConnectionPoolSettings.TCPSettings http:ConnectionPoolSettings.HTTPSettings',
      'ConnectionPoolSettings.HTTPSettings':
        'http1MaxPendingRequests:int32 http2MaxRequests:int32 maxRequestsPerConnection:int32 maxRetries:int32 idleTimeout:Duration h2UpgradePolicy:ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy useClientProtocol:bool maxConcurrentStreams:int32 http2KeepAlive:ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive',
      'ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive': 'interval:Duration timeout:Duration',
      'ConnectionPoolSettings.TCPSettings':
        'maxConnections:int32 connectTimeout:Duration tcpKeepalive:ConnectionPoolSettings.TCPSettings.TcpKeepalive maxConnectionDuration:Duration idleTimeout:Duration',
      'ConnectionPoolSettings.TCPSettings.TcpKeepalive': 'probes:uint32 time:Duration interval:Duration',
      CorsPolicy:
        'allowOrigin:string* allowOrigins:StringMatch* allowMethods:string* allowHeaders:string* exposeHeaders:string* maxAge:Duration allowCredentials:BoolValue unmatchedPreflights:CorsPolicy.UnmatchedPreflights',
      Delegate: 'name:string namespace:string',
      Destination: 'host:string subset:string port:PortSelector',
      DestinationRule:
        'host:string trafficPolicy:TrafficPolicy subsets:Subset* exportTo:string* workloadSelector:istio.type.v1beta1.WorkloadSelector',
      EnvoyFilter:
        'workloadSelector:WorkloadSelector targetRefs=targetRefs:istio.type.v1beta1.PolicyTargetReference* configPatches:EnvoyFilter.EnvoyConfigObjectPatch* priority:int32',
      'EnvoyFilter.ClusterMatch': 'portNumber:uint32 service:string subset:string name:string',
      'EnvoyFilter.EnvoyConfigObjectMatch':
        'context:EnvoyFilter.PatchContext proxy:EnvoyFilter.ProxyMatch listener:EnvoyFilter.ListenerMatch|object_types routeConfiguration:EnvoyFilter.RouteConfigurationMatch|object_types cluster:EnvoyFilter.ClusterMatch|object_types waypoint:EnvoyFilter.WaypointMatch|object_types',
      'EnvoyFilter.EnvoyConfigObjectPatch':
        'applyTo:EnvoyFilter.ApplyTo match:EnvoyFilter.EnvoyConfigObjectMatch patch:EnvoyFilter.Patch',
      'EnvoyFilter.ListenerMatch':
        'portNumber:uint32 portName:string filterChain:EnvoyFilter.ListenerMatch.FilterChainMatch listenerFilter:string name:string',
      'EnvoyFilter.ListenerMatch.FilterChainMatch':
        'name:string sni:string transportProtocol:string applicationProtocols:string filter:EnvoyFilter.ListenerMatch.FilterMatch destinationPort:uint32 transportSocket:string',
      'EnvoyFilter.ListenerMatch.FilterMatch': 'name:string subFilter:EnvoyFilter.ListenerMatch.SubFilterMatch',
      'EnvoyFilter.ListenerMatch.SubFilterMatch': 'name:string',
      'EnvoyFilter.Patch':
        'operation:EnvoyFilter.Patch.Operation value:Struct filterClass:EnvoyFilter.Patch.FilterClass',
      'EnvoyFilter.ProxyMatch': 'proxyVersion:string metadata:{string}string',
      'EnvoyFilter.RouteConfigurationMatch':
        'portNumber:uint32 portName:string gateway:string vhost:EnvoyFilter.RouteConfigurationMatch.VirtualHostMatch name:string',
      'EnvoyFilter.RouteConfigurationMatch.RouteMatch':
        'name:string action:EnvoyFilter.RouteConfigurationMatch.RouteMatch.Action',
      'EnvoyFilter.RouteConfigurationMatch.VirtualHostMatch':
        'name:string domainName:string route:EnvoyFilter.RouteConfigurationMatch.RouteMatch',
      'EnvoyFilter.WaypointMatch':
        'portNumber:uint32 route:EnvoyFilter.WaypointMatch.RouteMatch filter:EnvoyFilter.WaypointMatch.FilterMatch',
      'EnvoyFilter.WaypointMatch.FilterMatch':
        'name:string subFilter:EnvoyFilter.WaypointMatch.FilterMatch.SubFilterMatch',
      'EnvoyFilter.WaypointMatch.FilterMatch.SubFilterMatch': 'name:string',
      'EnvoyFilter.WaypointMatch.RouteMatch': 'name:string',
      ExecHealthCheckConfig: 'command:string*',
      Gateway: 'servers:Server* selector:{string}string',
      GrpcHealthCheckConfig: 'port:uint32 service:string',
      HTTPBody: 'string:string|specifier bytes:bytes|specifier',
      HTTPDirectResponse: 'status:uint32 body:HTTPBody',
      HTTPFaultInjection: 'delay:HTTPFaultInjection.Delay abort:HTTPFaultInjection.Abort',
      'HTTPFaultInjection.Abort':
        'httpStatus:int32|error_type grpcStatus:string|error_type http2Error:string|error_type percentage:Percent',
      'HTTPFaultInjection.Delay':
        'percent:int32 fixedDelay:Duration|http_delay_type exponentialDelay:Duration|http_delay_type percentage:Percent',
      HTTPHeader: 'name:string value:string',
      HTTPHealthCheckConfig: 'path:string port:uint32 host:string scheme:string httpHeaders:HTTPHeader*',
      HTTPMatchRequest:
        'name:string uri:StringMatch scheme:StringMatch method:StringMatch authority:StringMatch headers:{string}StringMatch port:uint32 sourceLabels:{string}string gateways:string* queryParams:{string}StringMatch ignoreUriCase:bool withoutHeaders:{string}StringMatch sourceNamespace:string statPrefix:string',
      HTTPMirrorPolicy: 'destination:Destination percentage:Percent',
      HTTPRedirect:
        'uri:string authority:string port:uint32|redirect_port derivePort:HTTPRedirect.RedirectPortSelection|redirect_port scheme:string redirectCode:uint32 prefixRewrite:string',
      HTTPRetry:
        'attempts:int32 perTryTimeout:Duration retryOn:string retryRemoteLocalities:BoolValue retryIgnorePreviousHosts:BoolValue backoff:Duration',
      HTTPRewrite: 'uri:string authority:string uriRegexRewrite:RegexRewrite',
      HTTPRoute:
        'name:string match:HTTPMatchRequest* route:HTTPRouteDestination* redirect:HTTPRedirect directResponse:HTTPDirectResponse delegate:Delegate rewrite:HTTPRewrite timeout:Duration retries:HTTPRetry fault:HTTPFaultInjection mirror:Destination mirrors:HTTPMirrorPolicy* mirrorPercent:UInt32Value mirrorPercentage:Percent corsPolicy:CorsPolicy headers:Headers',
      HTTPRouteDestination: 'destination:Destination weight:int32 headers:Headers',
      Headers: 'request:Headers.HeaderOperations response:Headers.HeaderOperations',
      'Headers.HeaderOperations': 'set:{string}string add:{string}string remove:string*',
      IstioEgressListener: 'port:SidecarPort bind:string captureMode:CaptureMode hosts:string*',
      IstioIngressListener:
        'port:SidecarPort bind:string captureMode:CaptureMode defaultEndpoint:string tls:ServerTLSSettings connectionPool:ConnectionPoolSettings',
      L4MatchAttributes:
        'destinationSubnets:string* port:uint32 sourceSubnet:string sourceLabels:{string}string gateways:string* sourceNamespace:string',
      LoadBalancerSettings:
        'simple:LoadBalancerSettings.SimpleLB|lb_policy consistentHash:LoadBalancerSettings.ConsistentHashLB|lb_policy backendUtilization:LoadBalancerSettings.BackendUtilizationLB|lb_policy localityLbSetting:LocalityLoadBalancerSetting zoneAwareLbSetting:ZoneAwareLoadBalancerSetting warmupDurationSecs:Duration warmup:WarmupConfiguration',
      'LoadBalancerSettings.BackendUtilizationLB':
        'weightStabilizationPeriod:Duration weightExpirationPeriod:Duration weightUpdatePeriod:Duration errorUtilizationPenaltyPercent:uint32 metricNamesForComputingUtilization:string*',
      'LoadBalancerSettings.ConsistentHashLB':
        'httpHeaderName:string|hash_key httpCookie:LoadBalancerSettings.ConsistentHashLB.HTTPCookie|hash_key useSourceIp:bool|hash_key httpQueryParameterName:string|hash_key ringHash:LoadBalancerSettings.ConsistentHashLB.RingHash|hash_algorithm maglev:LoadBalancerSettings.ConsistentHashLB.MagLev|hash_algorithm minimumRingSize:uint64',
      'LoadBalancerSettings.ConsistentHashLB.HTTPCookie':
        'name:string path:string ttl:Duration attributes:LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute*',
      'LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute': 'name:string value:string',
      'LoadBalancerSettings.ConsistentHashLB.MagLev': 'tableSize:uint64',
      'LoadBalancerSettings.ConsistentHashLB.RingHash': 'minimumRingSize:uint64',
      LocalityLoadBalancerSetting:
        'distribute:LocalityLoadBalancerSetting.Distribute* failover:LocalityLoadBalancerSetting.Failover* failoverPriority:string* enabled:BoolValue',
      'LocalityLoadBalancerSetting.Distribute': 'from:string to:{string}uint32',
      'LocalityLoadBalancerSetting.Failover': 'from:string to:string',
      OutboundTrafficPolicy: 'mode:OutboundTrafficPolicy.Mode egressProxy:Destination',
      OutlierDetection:
        'consecutiveErrors:int32 splitExternalLocalOriginErrors:bool consecutiveLocalOriginFailures:UInt32Value consecutiveGatewayErrors:UInt32Value consecutive5xxErrors=consecutive_5xx_errors:UInt32Value interval:Duration baseEjectionTime:Duration maxEjectionPercent:int32 minHealthPercent:int32 outlierDetectionHttpErrorCodes:uint32*',
      Percent: 'value:double',
      Port: 'number:uint32 protocol:string name:string targetPort:uint32',
      PortSelector: 'number:uint32',
      ReadinessProbe:
        'initialDelaySeconds:int32 timeoutSeconds:int32 periodSeconds:int32 successThreshold:int32 failureThreshold:int32 httpGet:HTTPHealthCheckConfig|health_check_method tcpSocket:TCPHealthCheckConfig|health_check_method exec:ExecHealthCheckConfig|health_check_method grpc:GrpcHealthCheckConfig|health_check_method',
      RegexRewrite: 'match:string rewrite:string',
      RouteDestination: 'destination:Destination weight:int32',
      Server: 'port:Port bind:string hosts:string* tls:ServerTLSSettings defaultEndpoint:string name:string',
      ServerTLSSettings:
        'httpsRedirect:bool mode:ServerTLSSettings.TLSmode serverCertificate:string privateKey:string caCertificates:string caCrl:string credentialName:string credentialNames:string* caCertCredentialName:string tlsCertificates:ServerTLSSettings.TLSCertificate* subjectAltNames:string* verifyCertificateSpki:string* verifyCertificateHash:string* minProtocolVersion:ServerTLSSettings.TLSProtocol maxProtocolVersion:ServerTLSSettings.TLSProtocol cipherSuites:string* insecureSkipVerify:BoolValue ecdhCurves:string*',
      'ServerTLSSettings.TLSCertificate': 'serverCertificate:string privateKey:string caCertificates:string',
      ServiceEntry:
        'hosts:string* addresses:string* ports:ServicePort* location:ServiceEntry.Location resolution:ServiceEntry.Resolution endpoints:WorkloadEntry* workloadSelector:WorkloadSelector exportTo:string* subjectAltNames:string*',
      ServicePort: 'number:uint32 protocol:string name:string targetPort:uint32',
      Sidecar:
        'workloadSelector:WorkloadSelector ingress:IstioIngressListener* egress:IstioEgressListener* inboundConnectionPool:ConnectionPoolSettings outboundTrafficPolicy:OutboundTrafficPolicy',
      SidecarPort: 'number:uint32 protocol:string name:string targetPort:uint32',
      StringMatch: 'exact:string|match_type prefix:string|match_type regex:string|match_type',
      Subset: 'name:string labels:{string}string trafficPolicy:TrafficPolicy',
      TCPHealthCheckConfig: 'host:string port:uint32',
      TCPRoute: 'match:L4MatchAttributes* route:RouteDestination*',
      TLSMatchAttributes:
        'sniHosts:string* destinationSubnets:string* port:uint32 sourceLabels:{string}string gateways:string* sourceNamespace:string',
      TLSRoute: 'match:TLSMatchAttributes* route:RouteDestination*',
      TrafficPolicy:
        'loadBalancer:LoadBalancerSettings connectionPool:ConnectionPoolSettings outlierDetection:OutlierDetection tls:ClientTLSSettings portLevelSettings:TrafficPolicy.PortTrafficPolicy* tunnel:TrafficPolicy.TunnelSettings proxyProtocol:TrafficPolicy.ProxyProtocol retryBudget:TrafficPolicy.RetryBudget',
      'TrafficPolicy.PortTrafficPolicy':
        'port:PortSelector loadBalancer:LoadBalancerSettings connectionPool:ConnectionPoolSettings outlierDetection:OutlierDetection tls:ClientTLSSettings',
      'TrafficPolicy.ProxyProtocol': 'version:TrafficPolicy.ProxyProtocol.VERSION',
      'TrafficPolicy.RetryBudget': 'percent:DoubleValue minRetryConcurrency:uint32 budgetInterval:Duration',
      'TrafficPolicy.TunnelSettings': 'protocol:string targetHost:string targetPort:uint32',
      VirtualService: 'hosts:string* gateways:string* http:HTTPRoute* tls:TLSRoute* tcp:TCPRoute* exportTo:string*',
      WarmupConfiguration: 'duration:Duration minimumPercent:DoubleValue aggression:DoubleValue',
      WorkloadEntry:
        'address:string ports:{string}uint32 labels:{string}string network:string locality:string weight:uint32 serviceAccount:string',
      WorkloadGroup: 'metadata:WorkloadGroup.ObjectMeta template:WorkloadEntry probe:ReadinessProbe',
      'WorkloadGroup.ObjectMeta': 'labels:{string}string annotations:{string}string',
      WorkloadSelector: 'labels:{string}string',
      ZoneAwareLoadBalancerSetting:
        'enabled:BoolValue failover:ZoneAwareLoadBalancerSetting.Failover* failoverPriority:string* minClusterSize:UInt32Value',
      'ZoneAwareLoadBalancerSetting.Failover': 'from:string to:string',
    },
    enums: {
      CaptureMode: 'DEFAULT=0 IPTABLES=1 NONE=2',
      'ClientTLSSettings.TLSmode': 'DISABLE=0 SIMPLE=1 MUTUAL=2 ISTIO_MUTUAL=3',
      'ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy': 'DEFAULT=0 DO_NOT_UPGRADE=1 UPGRADE=2',
      'CorsPolicy.UnmatchedPreflights': 'UNSPECIFIED=0 FORWARD=1 IGNORE=2',
      'EnvoyFilter.ApplyTo':
        'INVALID=0 LISTENER=1 FILTER_CHAIN=2 NETWORK_FILTER=3 HTTP_FILTER=4 ROUTE_CONFIGURATION=5 VIRTUAL_HOST=6 HTTP_ROUTE=7 CLUSTER=8 EXTENSION_CONFIG=9 BOOTSTRAP=10 LISTENER_FILTER=11',
      'EnvoyFilter.Patch.FilterClass': 'UNSPECIFIED=0 AUTHN=1 AUTHZ=2 STATS=3',
      'EnvoyFilter.Patch.Operation':
        'INVALID=0 MERGE=1 ADD=2 REMOVE=3 INSERT_BEFORE=4 INSERT_AFTER=5 INSERT_FIRST=6 REPLACE=7 MERGE_AND_REPLACE_LIST=8',
      'EnvoyFilter.PatchContext': 'ANY=0 SIDECAR_INBOUND=1 SIDECAR_OUTBOUND=2 GATEWAY=3 WAYPOINT=4',
      'EnvoyFilter.RouteConfigurationMatch.RouteMatch.Action': 'ANY=0 ROUTE=1 REDIRECT=2 DIRECT_RESPONSE=3',
      'HTTPRedirect.RedirectPortSelection': 'FROM_PROTOCOL_DEFAULT=0 FROM_REQUEST_PORT=1',
      'LoadBalancerSettings.SimpleLB':
        'UNSPECIFIED=0 LEAST_CONN=1 RANDOM=2 PASSTHROUGH=3 ROUND_ROBIN=4 LEAST_REQUEST=5',
      'OutboundTrafficPolicy.Mode': 'REGISTRY_ONLY=0 ALLOW_ANY=1',
      'ServerTLSSettings.TLSProtocol': 'TLS_AUTO=0 TLSV1_0=1 TLSV1_1=2 TLSV1_2=3 TLSV1_3=4',
      'ServerTLSSettings.TLSmode':
        'PASSTHROUGH=0 SIMPLE=1 MUTUAL=2 AUTO_PASSTHROUGH=3 ISTIO_MUTUAL=4 OPTIONAL_MUTUAL=5',
      'ServiceEntry.Location': 'MESH_EXTERNAL=0 MESH_INTERNAL=1',
      'ServiceEntry.Resolution': 'NONE=0 STATIC=1 DNS=2 DNS_ROUND_ROBIN=3 DYNAMIC_DNS=4',
      'TrafficPolicy.ProxyProtocol.VERSION': 'V1=0 V2=1',
    },
  },
  'istio.networking.v1beta1': {
    messages: {
      ProxyConfig:
        'selector:istio.type.v1beta1.WorkloadSelector concurrency:Int32Value environmentVariables:{string}string image:ProxyImage',
      ProxyImage: 'imageType:string',
    },
    enums: {},
  },
};
