/**
 * The Prometheus text of the registry in; what a scraper asked for out: OpenMetrics or the older text. Pure.
 *
 * Called by `admin/server.ts` for 15020. Families without samples are left out in both (spec/node-proxy.md 9.1).
 */

/** Content type of {@link openMetricsText}. */
export const OPEN_METRICS_TYPE = 'application/openmetrics-text;charset=utf-8;version=1.0.0';

/** True when an element of an `Accept` header names OpenMetrics, whatever its parameters say. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  const elements = (accept ?? '').split(',').map((element) => element.split(';')[0]?.trim().toLowerCase());
  return elements.includes('application/openmetrics-text');
}

/** The same text without families that have no samples. */
export function plainText(text: string): string {
  return `${familiesOf(text).join('\n')}\n`;
}

/** The text as OpenMetrics: counter families without their suffix `_total`, help with a full stop, an end mark. */
export function openMetricsText(text: string): string {
  return `${[...familiesOf(text).map(openMetricsFamily), '# EOF'].join('\n')}\n`;
}

/** Families with samples; a family is separated from the next by an empty line. */
function familiesOf(text: string): string[] {
  return text
    .split('\n\n')
    .map((family) => family.trim())
    .filter((family) => family.split('\n').some((line) => line !== '' && !line.startsWith('#')));
}

function openMetricsFamily(family: string): string {
  const lines = family.split('\n');
  const isCounter = lines.some((line) => line.startsWith('# TYPE ') && line.endsWith(' counter'));
  return lines
    .map((line) => {
      const [mark, keyword, name, ...rest] = line.split(' ');
      if (mark !== '#' || keyword === undefined || name === undefined) return line;
      const base = isCounter && name.endsWith('_total') ? name.slice(0, -'_total'.length) : name;
      return `# ${keyword} ${base} ${rest.join(' ')}${keyword === 'HELP' ? '.' : ''}`;
    })
    .join('\n');
}
