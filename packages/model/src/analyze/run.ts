// One analysis from texts and objects to what is printed and with which code the program ends. In: files, objects of a cluster,
// options as the user gave them. Out: messages, texts, exit code. Called by the command line tool, by the console and by golden
// tests. Pure: it reads no file and prints nothing.
import type { KubernetesObject } from '@ambit/resources';
import { parse } from 'yaml';
import { decodedSpec } from '../validate/index.ts';
import { type Json, mapOf, textOf } from '../validate/json.ts';
import type { AnalysisView, Analyzer } from './analyzer.ts';
import { type AnalysisFile, contentProblem, errorList, ignoredNamespaces, readFile } from './files.ts';
import { matchesGlob } from './glob.ts';
import { Inventory } from './inventory.ts';
import { type AnalyzedKind, analyzedKindOf, analyzedKinds } from './kinds.ts';
import { isAtLeast, type Level, type Message, messageTypes, sortedMessages } from './message.ts';
import { DOCUMENTATION, formatMessages, type OutputFormat } from './output.ts';
import { upstreamAnalyzers } from './registry.ts';
import { Subject } from './subject.ts';

/** What is analyzed. */
export interface AnalysisInputs {
  readonly files: readonly AnalysisFile[];
  /** Objects of running clusters, the local one first; undefined analyzes files alone. */
  readonly clusters?: readonly { readonly name: string; readonly objects: readonly KubernetesObject[] }[];
  /** Read runtime objects (pods, Services, ...) from files, too: the files then stand for a cluster. Default false. */
  readonly areFilesCluster?: boolean;
  /** MeshConfig as YAML; absent or unreadable is upstream's default. */
  readonly meshConfig?: string;
  /** MeshNetworks as YAML. */
  readonly meshNetworks?: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/** How it is analyzed and told; defaults are those of upstream. */
export interface AnalysisOptions {
  readonly allNamespaces?: boolean;
  /** Namespace that is told about, and of objects that name none. Default `default`; moot with `allNamespaces`. */
  readonly namespace?: string;
  /** `<code>=<pattern of Kind namespace/name>`. */
  readonly suppressions?: readonly string[];
  /** Names of analyzers; none, or none that exists, runs all. */
  readonly analyzers?: readonly string[];
  readonly failureThreshold?: Level;
  readonly outputThreshold?: Level;
  readonly format?: OutputFormat;
  readonly isColored?: boolean;
  readonly isVerbose?: boolean;
  /** Documents that cannot be read do not make the analysis fail. */
  readonly ignoreUnknown?: boolean;
  /** The exit code depends on the findings in every format, not only in `log`. Default false, as upstream. */
  readonly isExitCodeStrict?: boolean;
  /** Analyzers beyond upstream's, such as the ambient ones. Default none. */
  readonly moreAnalyzers?: readonly Analyzer[];
}

/** A message with the analyzer that found it. */
export interface Finding {
  readonly analyzer: string;
  readonly message: Message;
}

/** What an analysis found and says. */
export interface AnalysisResult {
  /** 0, 1 for unusable options, 65 for unreadable files, 79 for findings. */
  readonly exitCode: number;
  /** Messages at or above the output threshold, in order. */
  readonly messages: readonly Message[];
  /** All messages with their analyzers, before the output threshold. */
  readonly findings: readonly Finding[];
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of the log: documents that were skipped. */
  readonly log: readonly string[];
}

/** Exit codes of upstream. */
const UNUSABLE = 1;
const UNREADABLE = 65;
const FOUND = 79;

/** Runs an analysis. */
export function runAnalyze(inputs: AnalysisInputs, options: AnalysisOptions = {}): AnalysisResult {
  const suppressions: Suppression[] = [];
  let stderr = '';
  for (const given of options.suppressions ?? []) {
    const [code = '', pattern, ...rest] = given.split('=');
    if (pattern === undefined || rest.length > 0) return unusable(given);
    suppressions.push({ code, pattern });
    if (!Object.hasOwn(messageTypes, code)) {
      stderr += `Warning: Supplied message code '${code}' is an unknown message code and will not have any effect.\n`;
    }
  }
  const analyzers = selected([...upstreamAnalyzers, ...(options.moreAnalyzers ?? [])], options.analyzers ?? []);
  const namespace = options.allNamespaces === true ? '' : options.namespace || 'default';
  const kinds = new Set(analyzers.flatMap(({ inputs: own }) => own));
  const areFilesCluster = inputs.areFilesCluster === true;
  const fileKinds = new Set([...kinds].filter((kind) => areFilesCluster || !analyzedKinds[kind].isRuntime));
  const read = inputs.files.map((file) => ({
    file,
    ...readFile(file, { defaultNamespace: namespace, kinds: fileKinds }),
  }));
  const unreadable = read.filter(({ problems }) => problems.length > 0);
  if (unreadable.length > 0) {
    const problems = unreadable.map(({ file, problems: own }) => contentProblem(file.name, own));
    stderr += `Error(s) adding files: ${errorList(problems)}`;
  }
  const readable = inputs.clusters === undefined ? fileKinds : kinds;
  const executed = analyzers.filter((analyzer) => analyzer.inputs.every((kind) => readable.has(kind)));
  const subjects = [...clusterSubjects(inputs, kinds), ...read.flatMap((one) => one.subjects)];
  const findings = findingsOf(executed, viewOf(inputs, subjects)).filter(({ message }) =>
    isWanted(message, namespace, suppressions),
  );
  const all = sortedMessages(findings.map(({ message }) => message));
  const messages = all.filter(({ level }) => isAtLeast(level, options.outputThreshold ?? 'Info'));
  const format = options.format ?? 'log';
  const target = namespace === '' ? 'all namespaces' : `namespace: ${namespace}`;
  if (options.isVerbose === true) stderr += verboseText(target, analyzers, executed);
  if (messages.length === 0) stderr += successText(inputs.files, unreadable.length, target);
  const ending = endingOf(all, unreadable.length > 0, target, options);
  return {
    exitCode: ending.exitCode,
    messages,
    findings,
    stdout: `${formatMessages(messages, format, options.isColored === true)}\n`,
    stderr: stderr + ending.text,
    log: read.flatMap(({ problems }) => problems.map((problem) => `${problem} - skipping`)),
  };
}

function unusable(given: string): AnalysisResult {
  const stderr = `Error: ${given} is not a valid suppression value. See istioctl analyze --help\n`;
  return { exitCode: UNUSABLE, messages: [], findings: [], stdout: '', stderr, log: [] };
}

function selected(all: readonly Analyzer[], names: readonly string[]): readonly Analyzer[] {
  const some = all.filter(({ name }) => names.includes(name));
  return some.length === 0 ? all : some;
}

function clusterSubjects({ clusters = [] }: AnalysisInputs, kinds: ReadonlySet<AnalyzedKind>): Subject[] {
  return clusters.flatMap(({ name: cluster, objects }, index) =>
    objects.flatMap((object) => {
      const kind = analyzedKindOf(object.apiVersion ?? '', object.kind ?? '');
      if (kind === undefined || !kinds.has(kind)) return [];
      const namespace = analyzedKinds[kind].isClusterWide ? '' : (object.metadata?.namespace ?? '');
      const decoded = decodedSpec(analyzedKinds[kind].group, object.kind ?? '', object['spec']);
      // What its API server let in and nobody can read is left out, as upstream's reader leaves it out.
      if (decoded !== undefined && 'problem' in decoded) return [];
      const read = decoded === undefined ? object : { ...object, spec: decoded.spec };
      const subject = new Subject(kind, read, { namespace, ...(index > 0 && { cluster }) });
      return ignoredNamespaces.has(subject.scope) ? [] : [subject];
    }),
  );
}

function viewOf(inputs: AnalysisInputs, subjects: readonly Subject[]): AnalysisView {
  return {
    objects: new Inventory(subjects),
    mesh: yamlMap(inputs.meshConfig),
    meshNetworks: yamlMap(inputs.meshNetworks),
    nowMs: inputs.nowMs,
  };
}

function yamlMap(text: string | undefined): Json {
  try {
    return mapOf(parse(text ?? '', { maxAliasCount: 100 }));
  } catch {
    return {};
  }
}

function findingsOf(analyzers: readonly Analyzer[], view: AnalysisView): Finding[] {
  const findings: Finding[] = [];
  for (const { name, analyze } of analyzers) {
    try {
      analyze(view, (message) => void findings.push({ analyzer: name, message }));
    } catch (error) {
      // One analyzer that stumbles over an object hides no other's findings.
      const why = error instanceof Error ? error.message : String(error);
      const text = `Internal error: ${name}: ${why}`;
      const message: Message = { code: 'IST0001', level: 'Error', text, subject: undefined, reference: undefined };
      findings.push({ analyzer: name, message });
    }
  }
  return findings;
}

interface Suppression {
  readonly code: string;
  readonly pattern: string;
}

const SUPPRESSED = 'galley.istio.io/analyze-suppress';

function isWanted({ code, subject }: Message, namespace: string, suppressions: readonly Suppression[]): boolean {
  if (subject === undefined) return true;
  if (namespace !== '' && subject.scope !== '' && subject.scope !== namespace) return false;
  const annotated = textOf(subject.annotations[SUPPRESSED]).split(',');
  if (annotated.includes('*') || annotated.includes(code)) return false;
  return !suppressions.some((one) => one.code === code && matchesGlob(one.pattern, subject.origin));
}

function verboseText(target: string, all: readonly Analyzer[], executed: readonly Analyzer[]): string {
  const list = (title: string, analyzers: readonly Analyzer[]): string =>
    analyzers.length === 0 ? '' : `${title}:\n${analyzers.map(({ name }) => `\t ${name}\n`).join('')}`;
  const skipped = all.filter((analyzer) => !executed.includes(analyzer));
  return `Analyzed resources in ${target}\n${list('Skipped analyzers', skipped)}${list('Executed analyzers', executed)}\n`;
}

function successText(files: readonly AnalysisFile[], unreadable: number, target: string): string {
  if (unreadable > 0) {
    // Upstream counts attempts to add files, not files: it is always one.
    return `No validation issues found when analyzing ${target} (but 1 file could not be parsed).\n`;
  }
  const [first, ...others] = files.map(({ name }) => name);
  const tick = '\u2714 No validation issues found when analyzing';
  if (first === undefined) return `${tick} ${target}.\n`;
  return others.length === 0 ? `${tick} ${first}.\n` : `${tick}:\n  - ${[first, ...others].join('\n  - ')}\n`;
}

function endingOf(
  messages: readonly Message[],
  isUnreadable: boolean,
  target: string,
  { format = 'log', failureThreshold = 'Error', ignoreUnknown, isExitCodeStrict }: AnalysisOptions,
): { readonly exitCode: number; readonly text: string } {
  if (format !== 'log' && isExitCodeStrict !== true) return { exitCode: 0, text: '' };
  if (messages.some(({ level }) => isAtLeast(level, failureThreshold))) {
    const text = `Error: Analyzers found issues when analyzing ${target}.\nSee ${DOCUMENTATION} for more information about causes and resolutions.\n`;
    return { exitCode: FOUND, text };
  }
  if (isUnreadable && ignoreUnknown !== true) {
    return { exitCode: UNREADABLE, text: "Error: Some files couldn't be parsed.\n" };
  }
  return { exitCode: 0, text: '' };
}

/** Names and descriptions of all analyzers, as `--list-analyzers` prints them. */
export function analyzerList(more: readonly Analyzer[] = []): string {
  return [...upstreamAnalyzers, ...more]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, description }) => `* ${name}:\n${description === '' ? '' : `    ${description}\n`}`)
    .join('');
}
