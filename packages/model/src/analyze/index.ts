// Entry of @ambit/model/analyze/index: configuration analysis, pure.
export type { AnalysisView, Analyzer } from './analyzer.ts';
export { ambientAnalyzers } from './ambient/registry.ts';
export type { AnalysisFile } from './files.ts';
export { type AnalyzedKind, analyzedKinds } from './kinds.ts';
export { type Level, levels, type Message } from './message.ts';
export { messageJson, type OutputFormat } from './output.ts';
export {
  type AnalysisInputs,
  type AnalysisOptions,
  type AnalysisResult,
  analyzerList,
  type Finding,
  runAnalyze,
} from './run.ts';
