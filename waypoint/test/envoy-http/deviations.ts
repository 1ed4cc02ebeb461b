/**
 * Where we do on purpose something else than Envoy 1.40, or have no setting for what a recorded listener or route sets.
 * A deviation is told by what is in the situation and its configuration, never by its name, so that it holds for situations
 * nobody here has seen. Read by envoy-http-golden.test.ts, which counts them apart; a situation that passes is never one.
 */
import { requestSteps, type Situation } from './situation.ts';
import { managerOf } from './translate.ts';
import { asList, asMap, type Yaml } from './yaml.ts';

/** What a deviation may look at. */
export interface Facts {
  readonly situation: Situation;
  /** Everything that is sent. */
  readonly sent: string;
  readonly manager: Yaml;
  /** The route that Envoy chose, and its virtual host. */
  readonly route: Yaml | undefined;
  readonly host: Yaml | undefined;
  /** The cluster that Envoy chose. */
  readonly cluster: Yaml | undefined;
}

/** Collects the facts of a situation. */
export const factsOf = (situation: Situation, config: Yaml, listener: string): Facts => {
  const manager = managerOf(config, listener);
  const name = situation.access_log[0]?.['route'];
  const hosts = asList(asMap(manager['route_config'])['virtual_hosts']);
  const host = hosts.find((candidate) => asList(candidate['routes']).some((route) => route['name'] === name));
  const route = asList(host?.['routes']).find((candidate) => candidate['name'] === name);
  const sent = requestSteps(situation).join('');
  const clusters = asList(asMap(config['static_resources'])['clusters']);
  const cluster = clusters.find((candidate) => candidate['name'] === situation.access_log[0]?.['cluster']);
  return { situation, sent, manager, route, host, cluster };
};

/** One listed deviation. */
export interface Deviation {
  readonly reason: string;
  readonly applies: (facts: Facts) => boolean;
  /** What we must do instead, to the byte; without it anything but a crash is fine. */
  readonly instead?: (situation: Situation) => Situation;
}

const headOf = (sent: string): string => sent.split('\r\n\r\n')[0] ?? '';
const fieldCount = (sent: string, name: string): number =>
  headOf(sent)
    .split('\r\n')
    .filter((line) => line.toLowerCase().startsWith(`${name}:`)).length;
const hasField = (sent: string, name: string): boolean => fieldCount(sent, name) > 0;
const bearer = /\r\n[Aa]uthorization: Bearer +\S/;

/** One more field where the origin is echoed, behind the fields of CORS. */
const withVaryOrigin = (situation: Situation): Situation => {
  const { response } = situation;
  if (response === null) return situation;
  const end = response.headers.findLastIndex(([name]) => name.startsWith('access-control-')) + 1;
  const headers = response.headers.toSpliced(end, 0, ['vary', 'Origin']);
  return { ...situation, response: { ...response, headers } };
};

/** All of them. */
export const deviations: readonly Deviation[] = [
  {
    reason: 'strict (spec/waypoint.md 4.6.2): a start line has single spaces; white space of other kinds is 400',
    applies: ({ sent }) => {
      const line = headOf(sent.trimStart()).split('\n')[0] ?? '';
      return /\t| {2}/.test(line);
    },
  },
  {
    reason: 'strict (spec/waypoint.md 4.6.2): folded fields and bare line feeds or carriage returns are 400',
    applies: ({ sent }) => /\r\n[ \t]|[^\r]\n|^\n|\r[^\n]/.test(headOf(sent)),
  },
  {
    reason: 'strict (spec/waypoint.md 4.6.2): several Host fields are 400',
    applies: ({ sent }) => fieldCount(sent, 'host') > 1,
  },
  {
    reason: 'strict (spec/waypoint.md 4.6.2): two framings are refused, whatever is allowed elsewhere',
    applies: ({ sent }) => hasField(sent, 'content-length') && hasField(sent, 'transfer-encoding'),
  },
  {
    reason: 'a request whose body is broken in the same read as its head is not begun at the backend',
    applies: ({ situation }) =>
      situation.access_log[0]?.['details'] === 'http1.codec_error' && situation.upstream_requests.length > 0,
  },
  {
    reason: 'spec/waypoint.md 3.9: `vary: Origin` where the origin is echoed',
    applies: ({ situation }) =>
      situation.response?.headers.some(([name]) => name === 'access-control-allow-origin') === true,
    instead: withVaryOrigin,
  },
  {
    reason: 'spec/waypoint.md 5.1: interim responses of backends are relayed',
    applies: ({ sent }) => sent.includes(' /early'),
  },
  {
    reason: 'spec/waypoint.md 5.1: 101 without a websocket handshake is a protocol error of the backend',
    applies: ({ situation, sent }) =>
      situation.response?.status_line.includes(' 101 ') === true && !hasField(sent, 'upgrade'),
  },
  {
    reason:
      'RequestAuthentication never demands a token; AuthorizationPolicy does, and answers 403 (spec/waypoint.md 4.3)',
    applies: ({ situation, sent }) =>
      situation.listener === 'jwt' && situation.response?.status_line.includes(' 401 ') === true && !bearer.test(sent),
  },
  {
    reason: 'no API has faults that a client asks for by header',
    applies: ({ route, sent }) =>
      JSON.stringify(asMap(route?.['typed_per_filter_config'])).includes('header_abort') &&
      /\r\nx-envoy-fault-/i.test(sent),
  },
  {
    reason: 'no API has header edits under a condition (add if absent, overwrite if present)',
    applies: ({ route }) => JSON.stringify(route ?? {}).includes('ADD_IF_ABSENT'),
  },
  {
    reason: 'no API has redirects by regular expression',
    applies: ({ route }) => asMap(route?.['redirect'])['regex_rewrite'] !== undefined,
  },
  {
    reason: 'attempt counts are set for the proxy, not for a virtual host',
    applies: ({ host }) => host !== undefined && host['include_request_attempt_count'] !== true,
  },
  {
    reason: 'an idle connection ends at its limit, not one drain time later',
    applies: ({ situation, manager }) =>
      asMap(manager['common_http_protocol_options'])['idle_timeout'] !== undefined &&
      situation.request_steps?.some((step) => typeof step === 'number') === true,
  },
  {
    reason: 'a limit of zero means no limit in DestinationRule',
    applies: ({ cluster }) =>
      asList(asMap(cluster?.['circuit_breakers'])['thresholds']).some((limits) => Object.values(limits).includes(0)),
  },
];
