// One run of `validate -f` from texts to what is printed: rules of every object, naming of Service ports, labels of Deployments. In:
// files. Out: findings, texts, exit code. Called by the command line tool and by golden tests. Pure: it reads no file.
import type { KubernetesObject } from '@ambit/resources';
import { MAX_YAML_BYTES } from '@ambit/resources/parse-documents';
import { parseAllDocuments } from 'yaml';
import { documentsOf } from '../analyze/documents.ts';
import { errorList } from '../analyze/files.ts';
import { quoted } from '../analyze/go-text.ts';
import { yamlProblem, yamlValue } from '../analyze/yaml-problem.ts';
import { protocolOfText } from '../translate/service/protocol.ts';
import { validateObject } from './index.ts';
import { type Json, mapOf, mapsOf, optionalMap, textOf } from './json.ts';
import { isProtocol } from './names.ts';

/** A file as the user named it, with its text. */
export interface ValidationFile {
  readonly name: string;
  readonly text: string;
}

/** What validation of files found and says. */
export interface ValidationResult {
  /** 0, or 1 where something is wrong. */
  readonly exitCode: number;
  /** `<Kind>/<namespace>/<name>: <what>`. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly stderr: string;
}

const DOCUMENTATION = 'https://istio.io/v1.30/docs/ops';
const REQUIREMENTS = `${DOCUMENTATION}/deployment/requirements/`;
const PROTOCOLS = `${DOCUMENTATION}/configuration/traffic-management/protocol-selection/`;
const NAME_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const REVISION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];

interface FileFindings {
  readonly errors: string[];
  readonly warnings: string[];
  /** Said about objects on the way. */
  notes: string;
}

/** Validates files; objects of `systemNamespace` are not asked for names of ports and labels. */
export function runValidate(files: readonly ValidationFile[], systemNamespace = 'istio-system'): ValidationResult {
  const found = files.map((file) => ({ file, ...findingsOf(file, systemNamespace) }));
  const errors = found.flatMap((one) => one.errors);
  const warnings = found.flatMap((one) => one.warnings);
  let stderr = found.map(({ notes }) => notes).join('');
  for (const { file, warnings: own } of found) {
    if (own.length > 0) {
      const list = `\n\t${own.map((warning) => `* ${warning}`).join('\n\t')}\n`;
      stderr += file.name === '-' ? list : `${quoted(file.name)} has warnings: ${list}\n`;
    } else if (errors.length === 0) {
      stderr += file.name === '-' ? 'validation succeed\n' : `${quoted(file.name)} is valid\n`;
    }
  }
  if (errors.length > 0) stderr += `Error: ${errorList(errors)}\n`;
  return { exitCode: errors.length > 0 ? 1 : 0, errors, warnings, stderr };
}

function findingsOf({ name, text }: ValidationFile, systemNamespace: string): FileFindings {
  const found: FileFindings = { errors: [], warnings: [], notes: '' };
  if (text.length > MAX_YAML_BYTES) {
    found.errors.push(`failed to decode file ${name}:  text of ${text.length} characters is too long`);
    return found;
  }
  for (const document of documentsOf(text)) {
    const [parsed] = parseAllDocuments(document.text, { merge: true, uniqueKeys: true });
    if (parsed === undefined || !('contents' in parsed)) continue;
    let value: unknown;
    try {
      if (parsed.errors[0] !== undefined) throw new SyntaxError(yamlProblem(parsed.errors[0], document.text));
      value = yamlValue(parsed);
    } catch (error) {
      // What follows an unreadable document is not looked at.
      const why = error instanceof Error ? error.message : String(error);
      found.errors.push(`failed to decode file ${name}:  error converting YAML to JSON: ${why}`);
      return found;
    }
    const object = optionalMap(value);
    if (object !== undefined) check(object as KubernetesObject, systemNamespace, found);
  }
  return found;
}

function check(object: KubernetesObject, systemNamespace: string, found: FileFindings): void {
  const { kind = '', metadata } = object;
  const prefix = `${kind}/${metadata?.namespace ?? ''}/${metadata?.name ?? ''}: `;
  const { errors, warnings } = validateObject(object);
  found.errors.push(...errors.map((error) => prefix + error));
  found.warnings.push(...warnings.map((warning) => prefix + warning));
  for (const item of kind === 'List' ? mapsOf(object['items']) : [object as Json]) {
    if (textOf(mapOf(item['metadata'])['namespace']) === systemNamespace) continue;
    if (item['kind'] === 'Service') found.errors.push(...problemsOfService(item).map((problem) => prefix + problem));
    if (item['kind'] === 'Deployment') found.notes += noteOfDeployment(item);
  }
}

const nameOf = (object: Json): string => {
  const { name, namespace } = mapOf(object['metadata']);
  return `${textOf(name)}/${textOf(namespace)}`;
};

function problemsOfService(service: Json): string[] {
  const name = quoted(`${nameOf(service)}/:`);
  return mapsOf(mapOf(service['spec'])['ports']).flatMap((port) => {
    if (textOf(port['protocol']).toUpperCase() === 'UDP') return [];
    const application = port['appProtocol'];
    if (typeof application === 'string') {
      if (isProtocol(application)) return [];
      return [`service ${name} doesn't follow Istio protocol selection. This is not recommended, See ${PROTOCOLS}`];
    }
    const own = port['name'];
    if (typeof own !== 'string') {
      return [`service ${name} has an unnamed port. This is not recommended, See ${REQUIREMENTS}`];
    }
    // Unlike elsewhere, `grpc-web` counts as `grpc` here.
    if (protocolOfText(own.split('-')[0] ?? '') !== 'unsupported') return [];
    return [`service ${name} port ${quoted(own)} does not follow the Istio naming convention. See ${REQUIREMENTS}`];
  });
}

function noteOfDeployment(deployment: Json): string {
  const labels = mapOf(mapOf(mapOf(mapOf(deployment['spec'])['template'])['metadata'])['labels']);
  if ([NAME_LABELS, REVISION_LABELS].every((keys) => keys.some((key) => labels[key] !== undefined))) return '';
  const pairs = Object.keys(labels)
    .toSorted()
    .map((key) => `${quoted(key)}:${quoted(textOf(labels[key]))}`);
  const name = quoted(`${nameOf(deployment)}:`);
  return `deployment ${name} may not provide Istio metrics and telemetry labels: map[${pairs.join(' ')}]. See ${REQUIREMENTS}\n`;
}
