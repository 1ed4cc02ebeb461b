// One object under analysis: what it is, what it says and where it stands. In: an object, perhaps with its place in a file.
// Called by files.ts and cluster.ts (construction), inventory.ts and every analyzer (reading). Pure.
import type { Labels } from '../labels.ts';
import { type Json, mapOf, textOf } from '../validate/json.ts';
import { type AnalyzedKind, analyzedKinds } from './kinds.ts';

/** Where an object was read. */
export interface Place {
  /** Name of the file as the user gave it. */
  readonly file: string;
  /** First line of the document, counted from 1. */
  readonly line: number;
  /** Line of a field by its path, such as `.spec.hosts[0]`; undefined when the field is not there. */
  readonly lineOf: (path: string) => number | undefined;
}

/** Cluster of objects that come from files or from the only cluster there is. */
export const DEFAULT_CLUSTER = 'default';

/** An object that analyzers look at. */
export class Subject {
  readonly kind: AnalyzedKind;
  readonly object: Json;
  readonly namespace: string;
  readonly name: string;
  readonly cluster: string;
  readonly place: Place | undefined;

  constructor(
    kind: AnalyzedKind,
    object: Json,
    at: { readonly namespace: string; readonly place?: Place | undefined; readonly cluster?: string | undefined },
  ) {
    this.kind = kind;
    this.object = object;
    this.namespace = at.namespace;
    this.name = textOf(mapOf(object['metadata'])['name']);
    this.cluster = at.cluster ?? DEFAULT_CLUSTER;
    this.place = at.place;
  }

  /** `<namespace>/<name>`, or the name alone where there is no namespace. */
  get fullName(): string {
    return this.namespace === '' ? this.name : `${this.namespace}/${this.name}`;
  }

  /** How messages name it: `<Kind> <namespace>/<name>`. */
  get origin(): string {
    return `${analyzedKinds[this.kind].kind} ${this.fullName}`;
  }

  /** Namespace by which messages are selected; a Namespace belongs to itself. */
  get scope(): string {
    return this.kind === 'Namespace' ? this.name : this.namespace;
  }

  get labels(): Labels {
    return mapOf(mapOf(this.object['metadata'])['labels']) as Labels;
  }

  get annotations(): Labels {
    return mapOf(mapOf(this.object['metadata'])['annotations']) as Labels;
  }

  get spec(): Json {
    return mapOf(this.object['spec']);
  }

  get status(): Json {
    return mapOf(this.object['status']);
  }

  /** `<file>:<line>`; files that end in `.json` have no lines. Undefined for objects of a cluster. */
  referenceAt(line: number | undefined): string | undefined {
    if (this.place === undefined) return undefined;
    const { file } = this.place;
    return file === '' || file.endsWith('.json') ? file : `${file}:${line ?? this.place.line}`;
  }

  /** Line of a field, if the object came from a file and the field is there. */
  lineOf(path: string): number | undefined {
    return this.place?.lineOf(path);
  }
}
