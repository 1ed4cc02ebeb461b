// Flows from proxies to whoever watches, over `ambit.telemetry.v1` beside xDS. Main thread; the data threads use `@ambit/xds/flow-buffer`.
export { createFlowReporter, type FlowReporter, type FlowReporterOptions } from './telemetry/reporter.ts';
export { createFlowHub, type FlowHub, type FlowLoss, type HubCounts } from './telemetry/hub.ts';
export { mountTelemetry, type TelemetryService, type TelemetryServiceOptions } from './telemetry/service.ts';
