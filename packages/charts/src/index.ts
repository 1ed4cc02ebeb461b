// Entry of @ambit/charts: the values of an installation and the objects they render to.
export { type ChartErrorCode, ChartError } from './errors.ts';
export {
  idleInstallationValues,
  type Installation,
  type InstallationValues,
  releaseNames,
  renderInstallation,
  valuesOfChart,
} from './chart/installation.ts';
export type { IdleValue } from './chart/check-values.ts';
export { operatorWishes, type OperatorWishes } from './chart/operator-file.ts';
export { renderChart, type Release } from './chart/render.ts';
export { setValue } from './chart/set-values.ts';
export { chartsFolder } from './chart/load.ts';
export { type ChartName, componentCharts, valueSchemas } from './values/index.ts';
