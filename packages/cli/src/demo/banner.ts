// In: a stage. Out: the text that says what is running, where, and what differs from a cluster. Pure. Called by both tours.
import type { Stage } from './stage.ts';

const differences = {
  netns:
    'netns mode: every node and pod is a network namespace, redirection rules are the production ones; pods are local processes, not containers.',
  loopback:
    'loopback mode: pods are local processes with 127/8 addresses, captured through a preloaded SOCKS5 client; no redirection rules, so traffic that avoids the client is not captured.',
} as const;

/** What is running and where. */
export function banner(stage: Stage): string {
  const { mode, nodes, kubeconfig } = stage.cluster.description;
  return [
    `mesh is up in ${(stage.bringUpMs / 1000).toFixed(1)} s`,
    `  page        ${stage.pageUrl}`,
    `  kubeconfig  ${kubeconfig}`,
    `  nodes       ${nodes.map((node) => `${node.name} (${node.ip})`).join('   ')}`,
    `  mode        ${differences[mode]}`,
    '  purpose     trying, developing and testing; not for production',
  ].join('\n');
}
