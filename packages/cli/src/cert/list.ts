// `ambit cert list`. In: the dumps of all node proxies. Out: one row per identity and node, and the exit status. Called by command.ts.
import type { AgentDump } from '../agent/dump.ts';
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { askDump } from '../agent/show.ts';
import { nameOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { type OutputFlags, printListing } from '../output/print-listing.ts';
import { spanText } from './span-text.ts';

/** The certificate of an identity at one node. */
export interface CertRow {
  readonly identity: string;
  readonly node: string;
  readonly state: string;
  /** Decimal; empty where there is no certificate. */
  readonly serial: string;
  /** RFC 3339; empty where there is none. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** Milliseconds until it ends; negative when it has. 0 where there is none. */
  readonly leftMs: number;
  readonly isValid: boolean;
  /** Serial numbers of the roots that the proxy trusts. */
  readonly roots: readonly string[];
}

/** Rows of one node. Pure. */
export function certRows(dump: AgentDump, node: string, nowMs: number): readonly CertRow[] {
  return dump.certificates.map(({ identity = '', state = '', certChain = [], rootCerts = [] }) => {
    const [leaf] = certChain;
    const endMs = Date.parse(leaf?.expirationTime ?? '');
    const leftMs = Number.isFinite(endMs) ? endMs - nowMs : 0;
    return {
      identity,
      node,
      state: state.startsWith('Unavailable') ? 'Unavailable' : state,
      serial: leaf?.serialNumber ?? '',
      notBefore: leaf?.validFrom ?? '',
      notAfter: leaf?.expirationTime ?? '',
      leftMs,
      isValid: leftMs > 0 && Date.parse(leaf?.validFrom ?? '') <= nowMs,
      roots: rootCerts.flatMap(({ serialNumber }) => serialNumber ?? []),
    };
  });
}

/** What node proxies hold, and who did not answer. */
export interface Certs {
  readonly rows: readonly CertRow[];
  /** Nodes whose proxy answered. */
  readonly nodes: ReadonlySet<string>;
  /** Pods that did not. */
  readonly silent: readonly string[];
}

/** Asks all node proxies. Throws ERR_CLI_NOT_FOUND where there is none. */
export async function readCerts(api: OpenedCluster): Promise<Certs> {
  const proxies = await nodeProxies(api, api.istioNamespace);
  if (proxies.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', `there is no node proxy in namespace ${api.istioNamespace}`, {
      hint: 'ambit check',
    });
  const nowMs = Date.now();
  const answers = await Promise.all(
    proxies.map(async (pod) => {
      const node = nodeOf(pod);
      const rows = await askDump(api, pod).then(
        (dump) => certRows(dump, node, nowMs),
        () => undefined,
      );
      return { pod: nameOf(pod), node, rows };
    }),
  );
  return {
    rows: answers.flatMap(({ rows }) => rows ?? []),
    nodes: new Set(answers.filter(({ rows }) => rows !== undefined).map(({ node }) => node)),
    silent: answers.filter(({ rows }) => rows === undefined).map(({ pod }) => pod),
  };
}

/** Prints the rows. Returns the exit status: 3 when an identity has no valid certificate. */
export async function certList(api: OpenedCluster, flags: OutputFlags): Promise<number> {
  const { rows: all, silent } = await readCerts(api);
  const rows = all.toSorted((a, b) => a.leftMs - b.leftMs || (a.identity < b.identity ? -1 : 1));
  await printListing(
    {
      kind: 'CertificateStateList',
      rows,
      name: ({ identity }) => identity,
      empty: 'no node proxy holds a certificate: no pod is captured',
      columns: [
        { header: 'IDENTITY', of: ({ identity }) => identity },
        { header: 'NODE', of: ({ node }) => node },
        { header: 'STATE', of: ({ state, isValid }) => (state === 'Available' && !isValid ? 'NOT VALID' : state) },
        { header: 'ENDS IN', of: ({ notAfter, leftMs }) => (notAfter === '' ? '' : spanText(leftMs)) },
        { header: 'NOT AFTER', of: ({ notAfter }) => notAfter },
        { header: 'ROOTS', of: ({ roots }) => roots.join(','), wide: true },
      ],
    },
    flags,
  );
  if (silent.length > 0) process.stderr.write(`no answer from ${silent.join(', ')}\ntry: ambit node list\n`);
  return silent.length > 0 || rows.some(({ isValid }) => !isValid) ? exitStatus.no : exitStatus.done;
}
