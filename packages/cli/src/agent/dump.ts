// In: the text of a node proxy's /config_dump, ours or ztunnel's (spec user-tools 2.3). Out: typed views of it; what is absent is empty.
// Pure. Called by views.ts and the commands that read a node proxy's view.
import { CliError } from '../errors.ts';

/** One workload as the dump shows it. */
export interface DumpWorkload {
  readonly uid?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly workloadIps?: readonly string[];
  readonly hostname?: string;
  readonly node?: string;
  readonly protocol?: string;
  readonly status?: string;
  readonly serviceAccount?: string;
  readonly trustDomain?: string;
  readonly waypoint?: { readonly destination?: string };
  readonly authorizationPolicies?: readonly string[];
}
/** One service as the dump shows it. */
export interface DumpService {
  readonly name?: string;
  readonly namespace?: string;
  readonly hostname?: string;
  readonly vips?: readonly string[];
  readonly ports?: Readonly<Record<string, number>>;
  readonly waypoint?: { readonly destination?: string };
  readonly endpoints?: Readonly<Record<string, { readonly workloadUid?: string; readonly status?: string }>>;
}
/** One policy as the dump shows it. */
export interface DumpPolicy {
  readonly name?: string;
  readonly namespace?: string;
  readonly scope?: string;
  readonly action?: string;
  readonly dryRun?: boolean;
  readonly rules?: readonly unknown[];
}
/** One certificate of a chain. */
export interface DumpX509 {
  readonly pem?: string;
  readonly serialNumber?: string;
  readonly validFrom?: string;
  readonly expirationTime?: string;
}
/** The certificates of one identity. */
export interface DumpCertificate {
  readonly identity?: string;
  readonly state?: string;
  readonly certChain?: readonly DumpX509[];
  readonly rootCerts?: readonly DumpX509[];
}
/** One open connection. */
export interface DumpConnection {
  readonly src?: string;
  readonly originalDst?: string;
  readonly actualDst?: string;
  readonly protocol?: string;
}
/** One pod of the node. */
export interface DumpPod {
  readonly state?: string;
  readonly info?: { readonly name?: string; readonly namespace?: string; readonly serviceAccount?: string };
  readonly connections?: {
    readonly inbound?: readonly DumpConnection[];
    readonly outbound?: readonly DumpConnection[];
  };
}

/** A whole dump. `raw` is what was read, for `-o json`. */
export interface AgentDump {
  readonly workloads: readonly DumpWorkload[];
  readonly services: readonly DumpService[];
  readonly policies: readonly DumpPolicy[];
  readonly certificates: readonly DumpCertificate[];
  readonly pods: readonly DumpPod[];
  readonly version: Readonly<Record<string, unknown>>;
  readonly raw: Readonly<Record<string, unknown>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lists may be arrays or objects by key: both have been served. */
const listOf = <T>(value: unknown): readonly T[] =>
  Array.isArray(value)
    ? (value.filter(isRecord) as T[])
    : isRecord(value)
      ? (Object.values(value).filter(isRecord) as T[])
      : [];

/** Reads a dump. Throws ERR_CLI_FILE when the text is no dump. */
export function parseAgentDump(text: string, source: string): AgentDump {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new CliError('ERR_CLI_FILE', `${source} is not JSON`, {
      cause,
      hint: 'curl localhost:15000/config_dump inside the pod',
    });
  }
  if (!isRecord(raw) || !('workloads' in raw))
    throw new CliError('ERR_CLI_FILE', `${source} is no dump of a node proxy`, {
      hint: 'a dump has the key "workloads"',
    });
  return {
    workloads: listOf(raw['workloads']),
    services: listOf(raw['services']),
    policies: listOf(raw['policies']),
    certificates: listOf(raw['certificates']),
    pods: listOf(raw['workloadState']),
    version: isRecord(raw['version']) ? raw['version'] : {},
    raw,
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Sorts by namespace, then name. */
export const byName = <T extends { readonly namespace?: string; readonly name?: string }>(
  rows: readonly T[],
): readonly T[] =>
  rows.toSorted((a, b) => {
    const left = `${text(a.namespace)}.${text(a.name)}`;
    const right = `${text(b.namespace)}.${text(b.name)}`;
    return left < right ? -1 : left > right ? 1 : 0;
  });

/** Name of the waypoint that something uses: `None` without one, `NA` when its service is not in the dump. */
export function waypointNameOf(
  user: { readonly waypoint?: { readonly destination?: string } },
  services: readonly DumpService[],
): string {
  const destination = user.waypoint?.destination;
  if (destination === undefined) return 'None';
  const found = services.find(
    (service) =>
      `${text(service.namespace)}/${text(service.hostname)}` === destination ||
      (service.vips ?? []).includes(destination),
  );
  return found?.name ?? 'NA';
}
