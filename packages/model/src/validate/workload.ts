// Rules for WorkloadEntries, endpoints and WorkloadGroups (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { problemOfProbeName } from './headers.ts';
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, optionalMap, textOf } from './json.ts';
import {
  isIpAddress,
  problemOfFqdn,
  problemOfPort,
  problemOfPortName,
  problemOfUnix,
  problemsOfLabels,
  UNIX,
} from './names.ts';

/** Checks a WorkloadEntry. */
export function checkWorkloadEntry(object: Json, findings: Findings): void {
  checkWorkload(mapOf(object['spec']), undefined, findings);
}

/** Checks an address with its ports; `servicePorts` are the names of the ServiceEntry that has it as an endpoint, if one has. */
export function checkWorkload(workload: Json, servicePorts: ReadonlySet<string> | undefined, findings: Findings): void {
  const { error } = findings;
  const [address, network] = [textOf(workload['address']), textOf(workload['network'])];
  if (address === '' && network === '') {
    error('address is required');
    return;
  }
  if (address === '') findings.warn(`address is unset with network ${quoted(network)}`);
  const ports = Object.entries(mapOf(workload['ports']));
  if (address.startsWith(UNIX)) {
    const problem = problemOfUnix(address.slice(UNIX.length));
    if (problem !== undefined) error(problem);
    if (ports.length > 0) error(`unix endpoint ${address} must not include ports`);
  } else if (address !== '' && !isIpAddress(address)) {
    if (servicePorts !== undefined) error(`endpoint address ${quoted(address)} is not a valid IP address`);
    else if (problemOfFqdn(address) !== undefined) {
      error(`endpoint address ${quoted(address)} is not a valid FQDN or an IP address`);
    }
  }
  checkEndpointPorts(workload, servicePorts, findings);
  for (const problem of problemsOfLabels(mapOf(workload['labels']))) error(problem);
  if (address.startsWith(UNIX) && servicePorts !== undefined && servicePorts.size !== 1) {
    error('exactly 1 service port required for unix endpoints');
  }
}

/** Ports of an endpoint by name. */
export function checkEndpointPorts(
  workload: Json,
  servicePorts: ReadonlySet<string> | undefined,
  { error }: Findings,
): void {
  for (const [name, port] of Object.entries(mapOf(workload['ports']))) {
    if (servicePorts !== undefined && !servicePorts.has(name)) {
      error(`endpoint port ${numberOf(port)} is not defined by the service entry`);
    }
    for (const problem of [problemOfPortName(name), problemOfPort(numberOf(port))]) {
      if (problem !== undefined) error(problem);
    }
  }
}

/** Checks a WorkloadGroup. */
export function checkWorkloadGroup(object: Json, { error }: Findings): void {
  const spec = mapOf(object['spec']);
  if (optionalMap(spec['template']) === undefined) {
    error('template is required');
    return;
  }
  const labels = problemsOfLabels(mapOf(mapOf(spec['metadata'])['labels']));
  if (labels.length > 0) {
    const head = labels.length === 1 ? '1 error occurred:' : `${labels.length} errors occurred:`;
    error(`invalid labels: ${head}\n\t${labels.map((problem) => `* ${problem}`).join('\n\t')}\n\n`);
    return;
  }
  const probe = optionalMap(spec['probe']);
  if (probe === undefined) return;
  for (const field of [
    'periodSeconds',
    'initialDelaySeconds',
    'timeoutSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    if (numberOf(probe[field]) < 0) error(`${field} must be non-negative`);
  }
  checkProbe(probe, error);
}

function checkProbe(probe: Json, error: (message: string) => void): void {
  const [httpGet, tcpSocket, exec] = ['httpGet', 'tcpSocket', 'exec'].map((method) => optionalMap(probe[method]));
  const port = (settings: Json): void => {
    const problem = problemOfPort(numberOf(settings['port']));
    if (problem !== undefined) error(problem);
  };
  if (httpGet !== undefined) {
    port(httpGet);
    if (!['', 'HTTP', 'HTTPS'].includes(textOf(httpGet['scheme']))) {
      error('httpGet.scheme must be one of "HTTPS", "HTTP"');
    }
    for (const header of mapsOf(httpGet['httpHeaders'])) {
      const problem = problemOfProbeName(textOf(header['name']));
      if (problem !== undefined) error(problem);
    }
  } else if (tcpSocket !== undefined) port(tcpSocket);
  else if (exec !== undefined) {
    if (listOf(exec['command']).length === 0) error('exec.command is required');
  } else {
    const method = probe['grpc'] === undefined ? '<nil>' : '*v1alpha3.ReadinessProbe_Grpc';
    error(`unknown health check method ${method}`);
  }
}
