// The shape of an analyzer. Implemented once per file of analyzers/, listed in registry.ts, run by run.ts.
import type { Json } from '../validate/json.ts';
import type { Inventory } from './inventory.ts';
import type { AnalyzedKind } from './kinds.ts';
import type { Message } from './message.ts';

/** What an analyzer sees. */
export interface AnalysisView {
  readonly objects: Inventory;
  /** MeshConfig as the user wrote it; absent fields have upstream's defaults. */
  readonly mesh: Json;
  /** MeshNetworks as the user wrote it. */
  readonly meshNetworks: Json;
  /** Milliseconds since 1970, for certificates. */
  readonly nowMs: number;
}

/** One check. Pure: what it reports depends only on the view. */
export interface Analyzer {
  /** Name of upstream, as in `--analyzer`. */
  readonly name: string;
  readonly description: string;
  /** It is skipped where one of these kinds cannot be read. */
  readonly inputs: readonly AnalyzedKind[];
  readonly analyze: (view: AnalysisView, report: (message: Message) => void) => void;
}
