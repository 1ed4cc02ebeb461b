// Entry of @ambit/model/analyze/index: configuration analysis, pure.
export type { AnalysisView, Analyzer } from './analyzer.ts';
export { ambientAnalyzers } from './ambient/registry.ts';
export type { AnalysisFile } from './files.ts';
export { type AnalyzedKind, analyzedKinds } from './kinds.ts';
export { isAtLeast, type Level, levels, lineOf, type Message, messageTypes } from './message.ts';
export { DOCUMENTATION, formatMessages, messageJson, type OutputFormat, outputFormats } from './output.ts';
export {
  type AnalysisInputs,
  type AnalysisOptions,
  type AnalysisResult,
  analyzerList,
  type Finding,
  runAnalyze,
} from './run.ts';
export { Subject } from './subject.ts';
