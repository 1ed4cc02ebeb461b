// ambient.NodeProxyMissing: nodes with pods of the mesh and without a ready node proxy (AMB0105).
import { mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';
import { shouldBeCaptured } from './enrolment.ts';

/** See the file's comment. */
export const nodeProxyMissingAnalyzer: Analyzer = {
  name: 'ambient.NodeProxyMissing',
  description: 'Finds nodes that have pods of the ambient mesh and no ready node proxy',
  inputs: ['Node', 'Pod', 'Namespace'],
  analyze: ({ objects }, report) => {
    const served = new Set<string>();
    const needed = new Map<string, number>();
    for (const pod of objects.all('Pod')) {
      const node = textOf(pod.spec['nodeName']);
      if (pod.labels['app'] === 'ztunnel' && isReady(pod)) served.add(node);
      else if (pod.spec['hostNetwork'] !== true && shouldBeCaptured(pod, objects)) {
        needed.set(node, (needed.get(node) ?? 0) + 1);
      }
    }
    for (const node of objects.all('Node')) {
      const pods = needed.get(node.name) ?? 0;
      if (pods === 0 || served.has(node.name)) continue;
      const text = `The node ${node.name} runs ${pods} pod(s) of the mesh and no ready node proxy (ztunnel): they are not protected.`;
      report(messageOf('AMB0105', node, text));
    }
  },
};

const isReady = ({ status }: Subject): boolean =>
  mapsOf(status['conditions']).some(({ type, status: value }) => type === 'Ready' && value === 'True');
