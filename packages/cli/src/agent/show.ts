// In: which view of which node proxy. Out: the listing, printed. Called by command.ts.
import { readFileSync } from 'node:fs';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { type Listing, listingTable, type OutputFlags, printDocument, printListing } from '../output/print-listing.ts';
import { chooseAgent, type ChosenAgent, nodeOf, nodeProxies } from './choose.ts';
import { type AgentDump, parseAgentDump } from './dump.ts';
import { certificateView, connectionView, policyView, serviceView, type ViewFilter, workloadView } from './views.ts';

/** The views, by the verb that shows them. */
export type AgentView = 'all' | 'workloads' | 'services' | 'policies' | 'certificates' | 'connections' | 'dump';

/** Flags of the view commands. */
export interface AgentFlags extends OutputFlags {
  readonly file?: string;
  readonly node?: string;
  readonly allNodes?: boolean;
  readonly proxyAdminPort: string;
  readonly withHeaders?: boolean;
  readonly workloadNamespace?: string;
  readonly workloadNode?: string;
  readonly serviceNamespace?: string;
  readonly policyNamespace?: string;
  readonly address?: string;
  readonly direction?: 'inbound' | 'outbound';
  readonly raw?: boolean;
}

/** Asks a node proxy for its dump. Throws ERR_CLI_ADMIN when it does not answer with one. */
export async function askDump(api: OpenedCluster, pod: ChosenAgent['pod'], port = 15_000): Promise<AgentDump> {
  const source = `${namespaceOf(pod)}/${nameOf(pod)}`;
  const { status, body } = await api.askPod({
    namespace: namespaceOf(pod),
    name: nameOf(pod),
    port,
    path: '/config_dump',
  });
  if (status !== 200)
    throw new CliError('ERR_CLI_ADMIN', `node proxy ${source} answered ${status}`, {
      hint: `ambit node logs ${nodeOf(pod)}`,
    });
  return parseAgentDump(body, `the answer of ${source}`);
}

/** A listing that can be shown either way, its row type forgotten. */
interface Shown {
  readonly text: () => string;
  readonly print: () => Promise<void>;
}

const shown = <T>(listing: Listing<T>, flags: OutputFlags): Shown => ({
  text: () => listingTable(listing, flags),
  print: async () => printListing(listing, flags),
});

const given = <T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

function listingOf(
  view: Exclude<AgentView, 'all' | 'dump'>,
  dump: AgentDump,
  flags: AgentFlags,
  target: ChosenAgent['target'],
): Shown {
  const { address, direction, raw, workloadNamespace, workloadNode } = flags;
  switch (view) {
    case 'workloads': {
      const filter: ViewFilter = { ...given({ namespace: workloadNamespace, address, node: workloadNode }), ...target };
      return shown(workloadView(dump, filter), flags);
    }
    case 'services':
      return shown(serviceView(dump, given({ namespace: flags.serviceNamespace })), flags);
    case 'policies':
      return shown(policyView(dump, given({ namespace: flags.policyNamespace })), flags);
    case 'certificates':
      return shown(certificateView(dump, Date.now()), flags);
    case 'connections': {
      const filter: ViewFilter = { ...given({ namespace: workloadNamespace, direction, raw }), ...target };
      return shown(connectionView(dump, filter), flags);
    }
  }
}

const order = ['workloads', 'services', 'policies', 'certificates', 'connections'] as const;

async function print(
  view: AgentView,
  dump: AgentDump,
  flags: AgentFlags,
  target: ChosenAgent['target'],
): Promise<void> {
  if (view === 'dump') {
    process.stdout.write(`${JSON.stringify(dump.raw, undefined, 2)}\n`);
    return;
  }
  if (view !== 'all') {
    await listingOf(view, dump, flags, target).print();
    return;
  }
  if (await printDocument(dump.raw, flags.output)) return;
  const parts = order.map((name) => {
    const text = listingOf(name, dump, flags, target).text();
    return flags.withHeaders === true ? `# ${name}\n${text}` : text;
  });
  process.stdout.write(`${parts.join('\n\n')}\n`);
}

/** Shows a view of a file, of one node proxy, or of each. */
export async function showAgent(
  open: () => Promise<OpenedCluster>,
  view: AgentView,
  reference: string | undefined,
  flags: AgentFlags,
): Promise<void> {
  const asked = [flags.file, flags.node, reference, flags.allNodes].filter((value) => value !== undefined);
  if (asked.length > 1)
    throw new CliError('ERR_CLI_INVALID', 'a file, a node, a pod and -A exclude each other', {
      hint: 'name one of them',
    });
  if (flags.file !== undefined) {
    let text: string;
    try {
      text = readFileSync(flags.file, 'utf8');
    } catch (cause) {
      throw new CliError('ERR_CLI_FILE', `file ${flags.file} cannot be read`, { cause });
    }
    await print(view, parseAgentDump(text, flags.file), flags, undefined);
    return;
  }
  if ((view === 'certificates' || view === 'connections') && asked.length === 0)
    throw new CliError('ERR_CLI_INVALID', `${view} are those of one node`, {
      hint: `ambit agent ${view} POD, --node NODE or -A`,
    });
  const api = await open();
  try {
    if (flags.allNodes === true) {
      for (const pod of await nodeProxies(api, api.istioNamespace)) {
        process.stderr.write(`node ${nodeOf(pod)} (${nameOf(pod)})\n`);
        await print(view, await askDump(api, pod, Number(flags.proxyAdminPort)), flags, undefined);
      }
      return;
    }
    const chosen = await chooseAgent(api, {
      istioNamespace: api.istioNamespace,
      namespace: api.namespace,
      ...(reference === undefined ? {} : { reference }),
      ...(flags.node === undefined ? {} : { node: flags.node }),
    });
    if (chosen.isArbitrary) process.stderr.write(`as node ${chosen.node} sees it; -A asks all nodes\n`);
    await print(view, await askDump(api, chosen.pod, Number(flags.proxyAdminPort)), flags, chosen.target);
  } finally {
    api.close();
  }
}
