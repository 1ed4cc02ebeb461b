// PeerAuthentication -> policies that deny plaintext (spec control-plane 3.4). Two safe deviations from upstream (decision W18):
// UNSET is resolved before ports are looked at, and a workload attaches a converted policy only when that policy exists.
import type { PeerAuthentication } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { isDecimal } from '../../ip.ts';
import { isSubset, type Labels } from '../../labels.ts';
import { type AuthorizationInit, PolicyAction, PolicyScope } from '../../wire.ts';
import type { GroupInit, MatchInit } from './rules.ts';
import { PRESENCE } from './string-match.ts';

const STATIC_NAME = 'istio_converted_static_strict';

type Mode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';
const isLax = (mode: Mode): boolean => mode === 'PERMISSIVE' || mode === 'DISABLE';

/** The policy that denies every peer without identity; undefined while nobody uses PeerAuthentication. */
export function staticStrictPolicy(view: View): AuthorizationInit | undefined {
  if (view.all('PeerAuthentication').length === 0) return undefined;
  const namespace = view.options.rootNamespace;
  return denial(STATIC_NAME, namespace, [{ rules: [{ matches: [{ notPrincipals: [PRESENCE] }] }] }]);
}

/** The policy that one PeerAuthentication with port settings becomes; undefined when it needs none. */
export function convertedPolicy(view: View, policy: PeerAuthentication): AuthorizationInit | undefined {
  const { namespace, name } = identityOf(policy);
  if (namespace === view.options.rootNamespace || policy.spec?.selector === undefined) return undefined;
  const groups = groupsOf(policy, inheritedMode(view, namespace));
  return groups.length === 0 ? undefined : denial(`converted_peer_authentication_${name}`, namespace, groups);
}

/** Names of the policies that enforce mutual TLS at a workload, in order. */
export function peerAuthenticationNames(view: View, namespace: string, labels: Labels): string[] {
  const inherited = inheritedMode(view, namespace);
  const own = oldest(
    namespace === view.options.rootNamespace
      ? []
      : view.inNamespace('PeerAuthentication', namespace).filter((p) => {
          const selector = selectorOf(p);
          return selector !== undefined && isSubset(selector, labels);
        }),
  );
  const mode = own === undefined ? 'UNSET' : modeOf(own.spec?.mtls);
  const strict = `${view.options.rootNamespace}/${STATIC_NAME}`;
  const isStrict = mode === 'STRICT' || (mode === 'UNSET' && inherited === 'STRICT');
  if (own !== undefined && attachesConverted(own, mode, inherited) && convertedPolicy(view, own) !== undefined) {
    return [`${namespace}/converted_peer_authentication_${identityOf(own).name}`];
  }
  return isStrict ? [strict] : [];
}

function attachesConverted(policy: PeerAuthentication, mode: Mode, inherited: Mode): boolean {
  const modes = portModes(policy).map(([, portMode]) => portMode);
  if (mode === 'STRICT') return modes.some(isLax);
  if (isLax(mode) || inherited !== 'STRICT') return modes.includes('STRICT');
  // Only PERMISSIVE opens a port under inherited STRICT; DISABLE does not count, as upstream has it.
  return modes.includes('PERMISSIVE');
}

/** Mode of a namespace before workload policies: the mesh's, unless the namespace says otherwise. */
function inheritedMode(view: View, namespace: string): Mode {
  const { rootNamespace } = view.options;
  const mesh = levelMode(view, rootNamespace);
  const own = namespace === rootNamespace ? 'UNSET' : levelMode(view, namespace);
  return own === 'UNSET' ? mesh : own;
}

function levelMode(view: View, namespace: string): Mode {
  const level = oldest(view.inNamespace('PeerAuthentication', namespace).filter((p) => selectorOf(p) === undefined));
  return level === undefined ? 'UNSET' : modeOf(level.spec?.mtls);
}

function groupsOf(policy: PeerAuthentication, inherited: Mode): GroupInit[] {
  const mode = modeOf(policy.spec?.mtls);
  const ports = portModes(policy);
  if (ports.length === 0) return [];
  const isStrict = mode === 'STRICT' || (mode === 'UNSET' && inherited === 'STRICT');
  const groups: GroupInit[] = [];
  const together: MatchInit[] = mode === 'STRICT' ? [{ notPrincipals: [PRESENCE] }] : [];
  let hasException = false;
  for (const [port, portMode] of ports) {
    if (portMode === 'STRICT' && !isStrict) {
      groups.push({ rules: [{ matches: [{ notPrincipals: [PRESENCE], destinationPorts: [port] }] }] });
    }
    if (isLax(portMode) && isStrict) {
      together.push({ notDestinationPorts: [port] });
      hasException = true;
    }
  }
  if (mode === 'STRICT' && !hasException) return [];
  if (inherited === 'STRICT' && hasException) together.push({ notPrincipals: [PRESENCE] });
  if (together.length > 0) groups.push({ rules: together.map((match) => ({ matches: [match] })) });
  return groups;
}

/** Ports with their modes, ascending; keys that are no port are skipped. */
function portModes(policy: PeerAuthentication): [number, Mode][] {
  return Object.entries(policy.spec?.portLevelMtls ?? {})
    .filter(([port]) => isDecimal(port, 5) && Number(port) <= 65535)
    .map(([port, mtls]): [number, Mode] => [Number(port), modeOf(mtls)])
    .toSorted(([a], [b]) => a - b);
}

function modeOf(mtls: { mode?: string } | undefined): Mode {
  const mode = mtls?.mode;
  return mode === 'STRICT' || mode === 'PERMISSIVE' || mode === 'DISABLE' ? mode : 'UNSET';
}

/** Labels that a policy selects; undefined when it has none, which makes it a policy of its namespace or the mesh. */
function selectorOf(policy: PeerAuthentication): Labels | undefined {
  const labels = policy.spec?.selector?.matchLabels ?? {};
  return Object.keys(labels).length === 0 ? undefined : labels;
}

function oldest(policies: readonly PeerAuthentication[]): PeerAuthentication | undefined {
  const created = (p: PeerAuthentication): string => p.metadata.creationTimestamp ?? '';
  return policies.toSorted((a, b) => (created(a) < created(b) ? -1 : created(a) > created(b) ? 1 : 0))[0];
}

function denial(name: string, namespace: string, groups: GroupInit[]): AuthorizationInit {
  return { name, namespace, scope: PolicyScope.WORKLOAD_SELECTOR, action: PolicyAction.DENY, groups };
}
