// The generated files of a pod's /etc. In: hostname, DNS settings, address. Out: files in the pod's folder. Main thread.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../controllers/objects.ts';
import { DNS_IP } from '../controllers/cluster-services.ts';
import type { EtcFiles } from './sandbox.ts';

/** Writes hosts, hostname, resolv.conf, passwd, group and nsswitch.conf. */
export async function writeEtcFiles(dir: string, files: EtcFiles, podIp: string, user: number): Promise<void> {
  const own = user === 0 ? '' : `pod:x:${user}:${user}:pod:/tmp:/bin/sh\n`;
  const group = user === 0 ? '' : `pod:x:${user}:\n`;
  const contents: Record<string, string> = {
    hostname: `${files.hostname}\n`,
    hosts: files.hosts(podIp),
    'resolv.conf': files.resolvConf,
    passwd: `root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n${own}`,
    group: `root:x:0:\nnogroup:x:65534:\n${group}`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  };
  await Promise.all(Object.entries(contents).map(([name, text]) => writeFile(join(dir, name), text, { mode: 0o644 })));
}

/** The settings of one pod's files. */
export function etcFilesOf(pod: Pod): EtcFiles {
  const hostname = (pod.spec.hostname ?? pod.metadata.name).slice(0, 63);
  const namespace = pod.metadata.namespace ?? 'default';
  return {
    hostname,
    resolvConf: resolvConfOf(pod, namespace),
    hosts: (podIp) => hostsOf(pod, hostname, namespace, podIp),
  };
}

function resolvConfOf(pod: Pod, namespace: string): string {
  const isCluster = pod.spec.dnsPolicy !== 'None' && pod.spec.dnsPolicy !== 'Default';
  const config = pod.spec.dnsConfig;
  const searches = isCluster ? [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'] : [];
  searches.push(...(config?.searches ?? []));
  const servers = [...(isCluster ? [DNS_IP] : []), ...(config?.nameservers ?? [])];
  const options = [
    ...(isCluster ? ['ndots:5'] : []),
    ...(config?.options ?? []).map(({ name, value }) => (value === undefined ? name : `${name}:${value}`)),
  ];
  return [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    '',
  ].join('\n');
}

function hostsOf(pod: Pod, hostname: string, namespace: string, podIp: string): string {
  const full =
    pod.spec.subdomain === undefined ? [] : [`${hostname}.${pod.spec.subdomain}.${namespace}.svc.cluster.local`];
  return [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    `${podIp}\t${[...full, hostname].join('\t')}`,
    ...(pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`),
    '',
  ].join('\n');
}
