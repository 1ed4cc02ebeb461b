// YAML and JSON texts of users -> subjects with their places, and what could not be read. One bad document spoils no other.
// Called by run.ts. Pure.
import { MAX_YAML_BYTES } from '@ambit/resources/parse-documents';
import { Document, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, type YAMLMap } from 'yaml';
import { decodedSpec } from '../validate/index.ts';
import { type Json, mapOf, textOf } from '../validate/json.ts';
import { documentsOf } from './documents.ts';
import { quoted } from './go-text.ts';
import { type AnalyzedKind, analyzedKindOf, analyzedKinds } from './kinds.ts';
import { linesOf } from './lines.ts';
import { plainValue } from './plain-yaml.ts';
import { Subject } from './subject.ts';
import { yamlProblem, yamlValue } from './yaml-problem.ts';

/** A file as the user named it, with its text. */
export interface AnalysisFile {
  readonly name: string;
  readonly text: string;
}

/** What a file holds. */
export interface ReadFile {
  readonly subjects: readonly Subject[];
  /** `error processing <file>[<n>]: <why>`, one per document that could not be read. */
  readonly problems: readonly string[];
}

/** How files are read. */
export interface ReadOptions {
  /** For objects that name none; empty leaves them without. */
  readonly defaultNamespace: string;
  /** Other kinds are passed over without a word. */
  readonly kinds: ReadonlySet<AnalyzedKind>;
}

/** Namespaces of Kubernetes itself: nothing in them is analyzed. */
export const ignoredNamespaces: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
]);

/** Reads one file. */
export function readFile({ name, text }: AnalysisFile, options: ReadOptions): ReadFile {
  if (text.length > MAX_YAML_BYTES) {
    return { subjects: [], problems: [`error processing ${name}[0]: text of ${text.length} characters is too long`] };
  }
  const subjects: Subject[] = [];
  const problems: string[] = [];
  for (const document of documentsOf(text)) {
    try {
      subjects.push(...subjectsOf(name, document.text, document.line, options));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      problems.push(`error processing ${name}[${document.index}]: ${why}`);
    }
  }
  return { subjects: subjects.filter(({ scope }) => !ignoredNamespaces.has(scope)), problems };
}

/** Throws `SyntaxError` with upstream's words for what cannot be read. */
function subjectsOf(file: string, text: string, line: number, options: ReadOptions): Subject[] {
  const plain = mapOrUndefined(plainValue(text));
  if (plain !== undefined && plain['kind'] !== 'List') {
    // Where the fields stand is looked up only for objects that something is said about.
    return subjectOf(plain, { file, line, options }, () => {
      const { contents, counter } = parsed(text);
      return isMap(contents) ? linesOf(contents, counter, line) : () => undefined;
    });
  }
  const { document, contents, counter } = parsed(text);
  if (document === undefined) return [];
  const value = valueOf(document, text);
  if (value === null || value === undefined) return [];
  if (!isMap(contents)) {
    throw new SyntaxError(
      `failed interpreting jsonChunk: couldn't get version/kind; json parse error: ${typeProblem(value)}`,
    );
  }
  const object = mapOf(value);
  if (textOf(object['kind']) === 'List') return itemsOf(file, contents, counter, line, options);
  return subjectOf(object, { file, line, options }, () => linesOf(contents, counter, line));
}

const mapOrUndefined = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;

/** The nodes of a document, with their places. */
function parsed(text: string): {
  readonly document: Document.Parsed | undefined;
  readonly contents: Document.Parsed['contents'] | undefined;
  readonly counter: LineCounter;
} {
  const counter = new LineCounter();
  const [document] = parseAllDocuments(text, { merge: true, uniqueKeys: false, lineCounter: counter });
  if (document === undefined || !('contents' in document)) return { document: undefined, contents: undefined, counter };
  return { document, contents: document.contents, counter };
}

type LineOf = (path: string) => number | undefined;

/** The subject of one object; none where its kind is not asked for. */
function subjectOf(
  object: Json,
  { file, line, options }: { readonly file: string; readonly line: number; readonly options: ReadOptions },
  lines: () => LineOf,
): Subject[] {
  const [apiVersion, kind] = [textOf(object['apiVersion']), textOf(object['kind'])];
  if (apiVersion === '' && kind === '')
    throw new SyntaxError('unable to parse resource with no group, version and kind');
  if (apiVersion.split('/').length > 2) {
    throw new SyntaxError(`failed interpreting jsonChunk: unexpected GroupVersion string: ${apiVersion}`);
  }
  const known = analyzedKindOf(apiVersion, kind);
  if (known === undefined || !options.kinds.has(known)) return [];
  const decoded = decodedSpec(analyzedKinds[known].group, kind, object['spec']);
  if (decoded !== undefined && 'problem' in decoded) {
    throw new SyntaxError(`failed parsing JSON for built-in type: ${ofField(decoded.problem, kind)}`);
  }
  let found: LineOf | undefined;
  const lineOf: LineOf = (path) => (found ??= lines())(path);
  const namespace = analyzedKinds[known].isClusterWide ? '' : namespaceOf(object) || options.defaultNamespace;
  const read = decoded === undefined ? object : { ...object, spec: decoded.spec };
  return [new Subject(known, read, { namespace, place: { file, line, lineOf } })];
}

function valueOf(document: Document.Parsed, text: string): unknown {
  const [error] = document.errors;
  if (error !== undefined) throw new SyntaxError(`failed converting YAML to JSON: ${yamlProblem(error, text)}`);
  try {
    return yamlValue(document);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`failed converting YAML to JSON: ${why}`, { cause });
  }
}

/** The reader of whole objects names the field that a wrong type stands in. */
function ofField(problem: string, kind: string): string {
  const [what, type] = problem.split(' into Go value of type ');
  const isType = problem.startsWith('json: ') && type !== undefined;
  return isType ? `${what ?? ''} into Go struct field ${kind}.spec of type ${type}` : problem;
}

const namespaceOf = (object: Json): string => textOf(mapOf(object['metadata'])['namespace']);

/** What Go says when a document is no object. */
function typeProblem(value: unknown): string {
  const types: Readonly<Record<string, string>> = { string: 'string', number: 'number', boolean: 'bool' };
  const type = Array.isArray(value) ? 'array' : (types[typeof value] ?? 'object');
  const fields =
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
  return `json: cannot unmarshal ${type} into Go value of type ${fields}`;
}

/** Objects of a List. Upstream writes each item anew before reading it, so their lines are those of the rewritten text. */
function itemsOf(file: string, list: YAMLMap, counter: LineCounter, line: number, options: ReadOptions): Subject[] {
  const prefix =
    'failed extracting resource chunks from list yaml chunk: failed parsing yamlChunk: malformed items field';
  const items = list.items.find(({ key }) => isScalar(key) && key.value === 'items')?.value;
  if (!isSeq(items) || !items.items.every(isMap)) throw new SyntaxError(prefix);
  return items.items.filter(isMap).flatMap((item) => {
    const at = counter.linePos(item.range?.[0] ?? 0).line + line;
    const text = new Document(item).toString({ indent: 4, lineWidth: 0 });
    try {
      return subjectsOf(file, text, at, options);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SyntaxError(`failed parsing resource chunk: ${why}`, { cause: error });
    }
  });
}

/** `errors parsing content "<file>": ...` for the files that could not be read whole. */
export function contentProblem(file: string, problems: readonly string[]): string {
  return `errors parsing content ${quoted(file)}: ${errorList(problems)}`;
}

/** Several errors as one text, in the form of upstream. */
export function errorList(problems: readonly string[]): string {
  const head = problems.length === 1 ? '1 error occurred:' : `${problems.length} errors occurred:`;
  return `${head}\n\t${problems.map((problem) => `* ${problem}`).join('\n\t')}\n\n`;
}
