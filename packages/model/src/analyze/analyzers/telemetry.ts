// telemetry.*: Telemetries that overlap, select nobody, or name no provider (IST0002, IST0101, IST0157, IST0159, IST0160).
import { listOf, mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText, quoted } from '../go-text.ts';
import { messageOf } from '../message.ts';
import { firstLabelPath, pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';

const namesOf = (subjects: readonly Subject[]): string => listText(subjects.map(({ name }) => name).toSorted());

/** Access logging without providers, where the mesh has none either (IST0157). */
export const telemetryProvidersAnalyzer: Analyzer = {
  name: 'telemetry.ProviderAnalyzer',
  description: 'Validates that providers in telemetry resource is valid',
  inputs: ['Telemetry'],
  analyze: ({ objects, mesh }, report) => {
    if (listOf(mapOf(mesh['defaultProviders'])['accessLogging']).length > 0) return;
    for (const telemetry of objects.all('Telemetry')) {
      for (const logging of mapsOf(telemetry.spec['accessLogging'])) {
        if (logging['disabled'] === true || listOf(logging['providers']).length > 0) continue;
        const text = `The Telemetry ${telemetry.name} in namespace ${quoted(telemetry.namespace)} with empty providers will be ignored.`;
        report(messageOf('IST0157', telemetry, text));
      }
    }
  },
};

/** Selectors of nobody, and of the same pod twice (IST0101, IST0159). */
export const telemetrySelectorsAnalyzer: Analyzer = {
  name: 'telemetry.SelectorAnalyzer',
  description:
    "Validates that telemetries that define a selector match at least one pod, and that there aren't multiple telemetry resources that select overlapping pods",
  inputs: ['Telemetry', 'Pod'],
  analyze: ({ objects }, report) => {
    const ofPods = new Map<Subject, Subject[]>();
    for (const telemetry of objects.all('Telemetry')) {
      const selector = pairSelector(mapOf(telemetry.spec['selector'])['matchLabels']);
      if (selector.text === '') continue;
      const pods = objects.podsIn(telemetry.namespace).filter((pod) => selector.matches(pod.labels));
      for (const pod of pods) ofPods.set(pod, [...(ofPods.get(pod) ?? []), telemetry]);
      if (pods.length > 0) continue;
      const path = firstLabelPath('.spec.selector.matchLabels', selector);
      report(messageOf('IST0101', telemetry, `Referenced selector not found: ${quoted(selector.text)}`, path));
    }
    for (const [pod, telemetries] of ofPods) {
      if (telemetries.length < 2) continue;
      const text = `The Telemetries ${namesOf(telemetries)} in namespace ${quoted(pod.namespace)} select the same workload pod ${quoted(pod.name)}, which can lead to undefined behavior.`;
      for (const telemetry of telemetries) report(messageOf('IST0159', telemetry, text, '.metadata.name'));
    }
  },
};

/** Several Telemetries for a whole namespace (IST0160). */
export const telemetryDefaultsAnalyzer: Analyzer = {
  name: 'telemetry.DefaultSelectorAnalyzer',
  description: "Validates that there aren't multiple telemetry resources that have no selector",
  inputs: ['Telemetry'],
  analyze: ({ objects }, report) => {
    const general = [...objects.all('Telemetry')].filter(({ spec }) => optionalMap(spec['selector']) === undefined);
    for (const [namespace, telemetries] of Map.groupBy(general, (telemetry) => telemetry.namespace)) {
      if (telemetries.length < 2) continue;
      const text = `The Telemetries ${namesOf(telemetries)} in namespace ${quoted(namespace)} have no workload selector, which can lead to undefined behavior.`;
      for (const telemetry of telemetries) report(messageOf('IST0160', telemetry, text));
    }
  },
};

/** Tracing through a provider that is going away (IST0002). */
export const telemetryLightstepAnalyzer: Analyzer = {
  name: 'telemetry.LightstepAnalyzer',
  description: 'Validates that lightstep provider is still used',
  inputs: ['Telemetry'],
  analyze: ({ objects, mesh }, report) => {
    const deprecated = new Set(
      mapsOf(mesh['extensionProviders'])
        .filter((provider) => optionalMap(provider['lightstep']) !== undefined)
        .map((provider) => textOf(provider['name'])),
    );
    if (deprecated.size === 0) return;
    for (const telemetry of objects.all('Telemetry')) {
      for (const provider of mapsOf(telemetry.spec['tracing']).flatMap((part) => mapsOf(part['providers']))) {
        const name = textOf(provider['name']);
        if (!deprecated.has(name)) continue;
        const text = `Deprecated: The Lightstep provider ${name} is deprecated, please migrate to OpenTelemetry provider.`;
        report(messageOf('IST0002', telemetry, text));
      }
    }
  },
};
