// What is known about one kind. Types only. Used by the tables of kinds and by everybody who works with any of them.
import type Type from 'typebox';

/** One column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly jsonPath: string;
  readonly description?: string;
}

/** How a kind is called and served. */
export interface KindNames {
  readonly kind: string;
  /** Empty text for the core group. */
  readonly group: string;
  /** The version that we read and write. */
  readonly version: string;
  /** Further versions that the API server serves with the same schema. */
  readonly otherVersions: readonly string[];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** False for kinds that Kubernetes itself brings. */
  readonly custom: boolean;
  readonly columns: readonly PrinterColumn[];
}

/** Everything there is to know about one kind except its objects. */
export interface KindInfo extends KindNames {
  readonly schema: Type.TObject;
}
