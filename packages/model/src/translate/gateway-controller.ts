// Which controller of ours a Gateway belongs to. In: the Gateway and the objects of classes. Out: the controller's name, and the role that
// nobody takes. A built-in name needs no class object (spec control-plane 6.1). Pure; called by the statuses of Gateways and ListenerSets.
import type { Gateway } from '@ambit/resources';
import type { View } from '../index/view.ts';

const BUILT_IN: Readonly<Record<string, string>> = {
  istio: 'istio.io/gateway-controller',
  'istio-remote': 'istio.io/unmanaged-gateway',
  'istio-waypoint': 'istio.io/mesh-controller',
  'istio-east-west': 'istio.io/eastwest-controller',
};
const UNSERVED: Readonly<Record<string, string>> = {
  'istio.io/gateway-controller': 'ingress',
  'istio.io/eastwest-controller': 'east-west',
};

/** Name of the controller; undefined when the class is unknown. */
export function controllerOf(view: View, { spec }: Gateway): string | undefined {
  const name = spec?.gatewayClassName ?? '';
  const controller = view.get('GatewayClass', `/${name}`)?.spec?.controllerName;
  return controller ?? (Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : undefined);
}

/** The role that a Gateway of ours asks for and that no proxy of ours takes; undefined for all others. */
export function unservedRole(view: View, gateway: Gateway): string | undefined {
  if (view.options.servesGateways) return undefined;
  const controller = controllerOf(view, gateway) ?? '';
  return Object.hasOwn(UNSERVED, controller) ? UNSERVED[controller] : undefined;
}
