// Which iptables this node's rules are made with (spec node-agent 3.2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeAgentError } from '../errors.ts';
import { findIptables, lockedByNamespace } from './iptables-binary.ts';
import type { runInside } from './run-inside.ts';

/** An installed program. */
interface Installed {
  readonly variant: 'legacy' | 'nf_tables';
  readonly saved?: string;
  /** What adding the no-op rule prints; it fails when this is not empty and `works` is false. */
  readonly stderr?: string;
  readonly works?: boolean;
}

const rules = '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n';
const empty = '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n';

const on =
  (installed: Readonly<Record<string, Installed>>): typeof runInside =>
  async (_netns, program, args) => {
    const isSave = program.endsWith('-save');
    const found = installed[isSave ? program.slice(0, -'-save'.length) : program];
    if (found === undefined) throw new NodeAgentError('ERR_NODE_AGENT_RULES', `${program} could not be started`);
    const { variant, saved = empty, stderr = '', works = true } = found;
    if (args[0] === '--version') return { status: 0, stdout: `${program} v1.8.9 (${variant})\n`, stderr: '' };
    if (isSave) return { status: 0, stdout: saved, stderr: '' };
    return { status: works ? 0 : 3, stdout: '', stderr };
  };

const legacy = { variant: 'legacy' } as const;
const nft = { variant: 'nf_tables' } as const;
const found = async (installed: Readonly<Record<string, Installed>>, forced = ''): Promise<string | undefined> =>
  (await findIptables(undefined, 'iptables', forced, on(installed)))?.program;

test('legacy where it has rules, nft otherwise, the plain name where there is nothing else', async () => {
  const both = { 'iptables-legacy': legacy, 'iptables-nft': nft };
  assert.equal(await found(both), 'iptables-nft');
  assert.equal(await found({ ...both, 'iptables-legacy': { ...legacy, saved: rules } }), 'iptables-legacy');
  assert.equal(await found({ iptables: legacy }), 'iptables');
  assert.equal(await found({ 'iptables-legacy': legacy, iptables: legacy }), 'iptables');
  assert.equal(await found({}), undefined);
});

test('a program that cannot add a rule, or says that a table does not exist, is not usable', async () => {
  assert.equal(await found({ 'iptables-nft': { ...nft, works: false }, iptables: legacy }), 'iptables');
  const odd = { ...nft, stderr: "iptables: table `nat' does not exist" };
  assert.equal(await found({ 'iptables-nft': odd, iptables: legacy }), 'iptables');
});

test('a forced variant is that one or none; a value that is no variant is an error', async () => {
  const both = { 'iptables-legacy': legacy, 'iptables-nft': nft };
  assert.equal(await found(both, 'legacy'), 'iptables-legacy');
  assert.equal(await found({ 'iptables-nft': nft }, 'legacy'), undefined);
  await assert.rejects(found(both, 'ebtables'), { code: 'ERR_NODE_AGENT_CONFIG' });
});

test('only legacy iptables waits for a lock', async () => {
  const options = async (forced: string) =>
    (await findIptables(undefined, 'ip6tables', forced, on({ 'ip6tables-legacy': legacy, 'ip6tables-nft': nft })))
      ?.waitOptions;
  assert.deepEqual([await options('legacy'), await options('nft')], [['--wait=30'], []]);
});

test("in a pod legacy iptables locks the pod's namespace; the nft variant has no lock", () => {
  const tools = { program: 'iptables', waitOptions: [] };
  assert.deepEqual(lockedByNamespace({ ...tools, variant: 'legacy' }).variables, {
    XTABLES_LOCKFILE: '/proc/self/fd/3',
  });
  assert.equal(lockedByNamespace({ ...tools, variant: 'nft' }).variables, undefined);
});
