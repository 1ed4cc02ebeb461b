// What a PromQL expression reads. In: an expression of our dashboards. Out: its selectors and the labels that it groups by. For tests
// that look whether a query can have data; it knows the part of the language that the dashboards use.

/** `name{matchers}`. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

/** Selectors and grouping labels of an expression. */
export interface QueryParts {
  readonly selectors: readonly Selector[];
  readonly groupedBy: readonly string[];
}

const grouping = /\bby \(([^)]*)\)/g;
const selector = /([a-zA-Z_:][\w:]*)(\{((?:[^"}]|"[^"]*")*)\})?(?!\s*[\w:(])/g;
const matcher = /(\w+)(=~|!~|!=|=)"([^"]*)"/g;

/** Reads an expression. Intervals in brackets and functions are left out. */
export function partsOf(expression: string): QueryParts {
  const groupedBy = [...expression.matchAll(grouping)].flatMap(([, names = '']) => names.split(', '));
  const bare = expression.replaceAll(grouping, ' ').replaceAll(/\[[^\]]*\]/g, ' ');
  const selectors = [...bare.matchAll(selector)]
    .filter(([, name = '']) => name.includes('_') && !name.startsWith('histogram_quantile'))
    .map(([, metric = '', , matchers = '']) => ({
      metric,
      matchers: [...matchers.matchAll(matcher)].map(([, label = '', operator = '', value = '']) => ({
        label,
        operator,
        value,
      })),
    }));
  return { selectors, groupedBy: [...new Set(groupedBy)] };
}
