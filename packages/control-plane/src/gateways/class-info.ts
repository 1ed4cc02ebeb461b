// The classes of Gateways that this control plane knows (spec control-plane 6.1): controller -> what is deployed and how.
// Pure; called by classes.ts, deployer.ts and render.ts.
import type { Gateway, GatewayClass } from '@ambit/resources';

/** What a controller name means. */
export interface ClassInfo {
  readonly controllerName: string;
  /** Name of the built-in class. */
  readonly className: string;
  readonly description: string;
  /** Which pods are deployed; undefined deploys nothing. */
  readonly template: 'waypoint' | 'ingress' | undefined;
  /** Service type unless the Gateway says otherwise. */
  readonly serviceType: 'ClusterIP' | 'LoadBalancer';
  /** Objects are called `<gateway>-<class>` instead of `<gateway>`. */
  readonly hasNameSuffix: boolean;
  /** May take listeners from ListenerSets. */
  readonly takesListenerSets: boolean;
}

/** Feature switches that bring classes. */
export interface ClassFeatures {
  /** `PILOT_ENABLE_AMBIENT_WAYPOINTS`. */
  readonly waypoints: boolean;
  /** `PILOT_MULTI_NETWORK_DISCOVER_GATEWAY_API`. */
  readonly remoteGateways: boolean;
  /** `AMBIENT_ENABLE_MULTI_NETWORK`. */
  readonly eastWest: boolean;
  /** `PILOT_GATEWAY_API_DEFAULT_GATEWAYCLASS_NAME`. */
  readonly defaultClass: string;
  /** `PILOT_GATEWAY_API_CONTROLLER_NAME`. */
  readonly defaultController: string;
  /** `AMBIT_DEPLOY_GATEWAYS`: pods for ingress and east-west Gateways too, for a proxy image that takes these roles; ours does not. */
  readonly deploysGateways: boolean;
}

/** Upstream's defaults with ambient on. */
export const DEFAULT_CLASS_FEATURES: ClassFeatures = {
  waypoints: true,
  remoteGateways: true,
  eastWest: false,
  defaultClass: 'istio',
  defaultController: 'istio.io/gateway-controller',
  deploysGateways: true,
};

/** The classes that are on, by controller name. */
export function classInfos(features: ClassFeatures): ReadonlyMap<string, ClassInfo> {
  const infos: ClassInfo[] = [
    {
      controllerName: features.defaultController,
      className: features.defaultClass,
      description: 'The default Istio GatewayClass',
      template: features.deploysGateways ? 'ingress' : undefined,
      serviceType: 'LoadBalancer',
      hasNameSuffix: true,
      takesListenerSets: true,
    },
  ];
  if (features.remoteGateways) {
    infos.push({
      controllerName: 'istio.io/unmanaged-gateway',
      className: 'istio-remote',
      description: 'Remote to this cluster. Does not deploy or affect configuration.',
      template: undefined,
      serviceType: 'ClusterIP',
      hasNameSuffix: true,
      takesListenerSets: false,
    });
  }
  if (features.waypoints) {
    infos.push({
      controllerName: 'istio.io/mesh-controller',
      className: 'istio-waypoint',
      description: 'The default Istio waypoint GatewayClass',
      template: 'waypoint',
      serviceType: 'ClusterIP',
      hasNameSuffix: false,
      takesListenerSets: false,
    });
  }
  if (features.eastWest) {
    infos.push({
      controllerName: 'istio.io/eastwest-controller',
      className: 'istio-east-west',
      description: 'The default GatewayClass for Istio East West Gateways',
      template: features.deploysGateways ? 'waypoint' : undefined,
      serviceType: 'LoadBalancer',
      hasNameSuffix: false,
      takesListenerSets: false,
    });
  }
  return new Map(infos.map((info) => [info.controllerName, info]));
}

/** What the class of a Gateway means; undefined for classes of others. A built-in name needs no class object. */
export function classOf(
  gateway: Gateway,
  object: GatewayClass | undefined,
  infos: ReadonlyMap<string, ClassInfo>,
): ClassInfo | undefined {
  if (object !== undefined) return infos.get(object.spec?.controllerName ?? '');
  const name = gateway.spec?.gatewayClassName;
  return [...infos.values()].find((info) => info.className === name);
}

/** No address, or one IP: ours to run. A host name or several addresses say that somebody else runs it. */
export function isManaged({ spec }: Gateway): boolean {
  const addresses = spec?.addresses ?? [];
  return addresses.length === 0 || (addresses.length === 1 && (addresses[0]?.type ?? 'IPAddress') === 'IPAddress');
}

/** The value of the label `gateway.istio.io/managed`. */
export function managedLabelOf({ controllerName }: ClassInfo): string {
  return controllerName.replaceAll('/', '-');
}
