// applicationUID.Analyzer: applications that run with the proxy's user (IST0144).
import { type Json, mapOf, mapsOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { isControlPlane, PROXY_CONTAINER } from '../in-mesh.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

const PROXY_USER = 1337;
const OPERATOR_CONTAINER = 'istio-operator';

/** See the file's comment. */
export const applicationUidAnalyzer: Analyzer = {
  name: 'applicationUID.Analyzer',
  description: 'Checks invalid application UID',
  inputs: ['Pod', 'Deployment'],
  analyze: ({ objects }, report) => {
    const check = (subject: Subject, spec: Json): void => {
      if (isControlPlane(subject)) return;
      const applications = mapsOf(spec['containers']).filter(
        ({ name }) => name !== PROXY_CONTAINER && name !== OPERATOR_CONTAINER,
      );
      for (const part of [spec, ...applications]) {
        if (mapOf(part['securityContext'])['runAsUser'] !== PROXY_USER) continue;
        report(messageOf('IST0144', subject, 'User ID (UID) 1337 is reserved for the sidecar proxy.'));
      }
    };
    for (const pod of objects.all('Pod')) check(pod, pod.spec);
    for (const deployment of objects.all('Deployment')) {
      check(deployment, mapOf(mapOf(deployment.spec['template'])['spec']));
    }
  },
};
