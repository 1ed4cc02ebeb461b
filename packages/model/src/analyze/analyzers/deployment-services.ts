// deployment.MultiServiceAnalyzer: Services that disagree about one Deployment's ports (IST0116, IST0137).
import { GATEWAY_MANAGED } from '../../labels.ts';
import { mapOf, mapsOf, numberOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText, quoted } from '../go-text.ts';
import { isDeploymentInSidecarMesh } from '../in-mesh.ts';
import type { Inventory } from '../inventory.ts';
import { type Message, messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';

type Report = (message: Message) => void;

/** See the file's comment. */
export const deploymentServicesAnalyzer: Analyzer = {
  name: 'deployment.MultiServiceAnalyzer',
  description: 'Checks association between services and pods',
  inputs: ['Service', 'Deployment', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const deployment of objects.all('Deployment')) {
      if (deployment.labels[GATEWAY_MANAGED] === 'istio.io-mesh-controller') continue;
      if (!isDeploymentInSidecarMesh(deployment, objects)) continue;
      const services = servicesOf(deployment, objects);
      checkProtocols(deployment, services, report);
      checkTargetPorts(deployment, services, report);
    }
  },
};

function servicesOf(deployment: Subject, objects: Inventory): Subject[] {
  const labels = mapOf(mapOf(mapOf(deployment.spec['template'])['metadata'])['labels']) as Record<string, string>;
  return [...objects.all('Service')].filter((service) => {
    const selector = pairSelector(service.spec['selector']);
    return service.namespace === deployment.namespace && selector.text !== '' && selector.matches(labels);
  });
}

function checkProtocols(deployment: Subject, services: readonly Subject[], report: Report): void {
  const ports = new Map<number, Map<string, string[]>>();
  for (const service of services) {
    for (const port of mapsOf(service.spec['ports'])) {
      const number = numberOf(port['port']);
      const protocols = ports.get(number) ?? new Map<string, string[]>();
      ports.set(number, protocols);
      const protocol = textOf(port['protocol']) || 'TCP';
      protocols.set(protocol, [...(protocols.get(protocol) ?? []), service.fullName]);
    }
  }
  for (const [port, protocols] of ports) {
    if (protocols.size < 2) continue;
    const names = listText([...protocols.values()].flat().toSorted());
    report(
      messageOf(
        'IST0116',
        deployment,
        `This deployment ${deployment.name} is associated with multiple services using port ${port} but different protocols: ${names}`,
        '.metadata.name',
      ),
    );
  }
}

function checkTargetPorts(deployment: Subject, services: readonly Subject[], report: Report): void {
  const targets = new Map<string, Map<number, string>>();
  for (const service of services) {
    for (const port of mapsOf(service.spec['ports'])) {
      const given = port['targetPort'];
      const target = given === undefined || given === null || given === 0 || given === '' ? port['port'] : given;
      const ports = targets.get(String(target)) ?? new Map<number, string>();
      targets.set(String(target), ports);
      ports.set(numberOf(port['port']), service.fullName);
    }
  }
  for (const [target, ports] of targets) {
    if (ports.size < 2) continue;
    const names = listText([...ports.values()].toSorted());
    const numbers = listText([...ports.keys()].toSorted((a, b) => a - b));
    report(
      messageOf(
        'IST0137',
        deployment,
        `This deployment ${deployment.name} is associated with multiple services ${names} using targetPort ${quoted(target)} but different ports: ${numbers}.`,
        '.metadata.name',
      ),
    );
  }
}
