/**
 * What the API knows about one served resource in one version. Built from the builtin table or from a definition;
 * everything else (routing, discovery, writing, tables) reads it. Pure data.
 */

import type { JsonObject } from '../json.ts';
import type { Schema } from '../schema/schema.ts';

/** A column of a Table made from a definition or a builtin printer. */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description: string;
  /** 0 = always shown; more = wide only. */
  readonly priority: number;
}

/** A subresource that is served. */
export interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** Where the scale of a custom kind lives, as dotted paths. */
export interface ScalePaths {
  readonly specReplicas: readonly string[];
  readonly statusReplicas: readonly string[];
  readonly labelSelector: readonly string[] | undefined;
}

/** What only custom kinds have. */
export interface CustomKind {
  /** The definition's version entry. */
  readonly version: JsonObject;
  readonly openApi: JsonObject | undefined;
  readonly definitionName: string;
  readonly columns: readonly JsonObject[];
  /** Dotted paths of extra field selectors (`spec.color`). */
  readonly selectableFields: readonly string[];
  readonly deprecation: string | undefined;
  readonly terminating: boolean;
}

/** One resource in one version. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  /** `v1` or `apps/v1`. */
  readonly apiVersion: string;
  /** Plural name. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  /** Name of the rows in the store. */
  readonly storageName: string;
  readonly storageVersion: string;
  /** Metadata generation is kept. */
  readonly hasGeneration: boolean;
  /** Status is written only through the subresource. */
  readonly hasStatus: boolean;
  readonly scale: ScalePaths | undefined;
  readonly schema: Schema;
  readonly custom: CustomKind | undefined;
}

/** True when the resource answers this verb. */
export const hasVerb = (resource: Resource, verb: string): boolean => resource.verbs.includes(verb);
