// In: the text of a source file and of its package. Out: the metrics that it declares: name, kind, help, labels. Pure. Called by
// metrics-page.ts. It reads declarations as this repository writes them: an object with `name`, `help` and perhaps `labels`, or a local
// function of name and help that makes one.

/** One declared metric. */
export interface DeclaredMetric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

type Kind = DeclaredMetric['kind'];

const quoted = String.raw`(?:'([^']*)'|"([^"]*)")`;
const direct = new RegExp(
  String.raw`\.(counter|gauge|histogram)\(\{\s*name: '([a-z0-9_]+)',\s*help:\s*${quoted}(?:,\s*labels(?:: (\[[^\]]*\]|\w+))?)?`,
  'g',
);
const maker =
  /const (\w+) = \(name: string, help: string[^]{0,200}?registry\s*\.(counter|gauge|histogram)\(\{ name, help(?:, labels(?:: (\w+))?)?/g;

/** Labels that an expression stands for: a literal list, or a constant of the package, with what it spreads. */
function labelsOf(expression: string | undefined, packageText: string, depth = 0): readonly string[] {
  if (expression === undefined || depth > 4) return [];
  if (expression.startsWith('['))
    return [...expression.matchAll(/'([^']+)'|\.\.\.(\w+)/g)].flatMap(([, label, spread]) =>
      label === undefined ? labelsOf(spread, packageText, depth + 1) : [label],
    );
  const found = new RegExp(String.raw`const ${expression}(?::[^=]+)? = (\[[^\]]*\]|\w+)`).exec(packageText);
  return labelsOf(found?.[1], packageText, depth + 1);
}

/** Metrics declared in `text`; `packageText` holds the constants that it may name. */
export function declaredMetrics(text: string, packageText: string = text): readonly DeclaredMetric[] {
  const metrics: DeclaredMetric[] = [...text.matchAll(direct)].map(
    ([whole, kind, name = '', single, double, labels]) => ({
      name,
      kind: kind as Kind,
      help: single ?? double ?? '',
      labels: labelsOf(labels ?? (/,\s*labels$/.test(whole) ? 'labels' : undefined), packageText),
    }),
  );
  const makers = [...text.matchAll(maker)];
  for (const [index, [whole, called = '', kind, labels]] of makers.entries()) {
    // A later function of the same name hides it.
    const start = (makers[index]?.index ?? 0) + whole.length;
    const next = makers.slice(index + 1).find(([, name]) => name === called);
    const body = text.slice(start, next?.index);
    const call = new RegExp(String.raw`\b${called}\(\s*'([a-z0-9_]+)',\s*${quoted}`, 'g');
    for (const [, name = '', single, double] of body.matchAll(call))
      metrics.push({
        name,
        kind: kind as Kind,
        help: single ?? double ?? '',
        labels: labelsOf(labels ?? (whole.endsWith('labels') ? 'labels' : undefined), packageText),
      });
  }
  return metrics;
}
