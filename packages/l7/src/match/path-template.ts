/**
 * Path templates of AuthorizationPolicy: `{*}` is one segment, `{**}` any rest (spec/waypoint.md 4.1.4).
 * In: the text of a policy. Out: a predicate over a normalized path. Hand-written so that no operator leaves a hole.
 */
import { L7Error } from '../errors.ts';

/** True when the text has to be read as a template. */
export const isPathTemplate = (text: string): boolean => text.includes('{*}') || text.includes('{**}');

/**
 * Compiles a template. `{*}` matches one or more characters other than `/`, `{**}` any characters; `{**}` must be the last
 * operator and each operator fills its segment alone. Throws ERR_L7_TEMPLATE otherwise.
 */
export const compilePathTemplate = (template: string): ((path: string) => boolean) => {
  const segments = template.split('/');
  const rest = segments.indexOf('{**}');
  for (const [index, segment] of segments.entries()) checkSegment(template, segment, rest !== -1 && index > rest);
  if (rest === -1) return (path) => matchesSegments(path.split('/'), segments);
  const head = segments.slice(0, rest);
  const tail = segments.slice(rest + 1).join('/');
  return (path) => matchesHead(path, head, rest === segments.length - 1 ? '' : `/${tail}`);
};

const checkSegment = (template: string, segment: string, afterRest: boolean): void => {
  const isOperator = segment === '{*}' || segment === '{**}';
  const bad = isOperator ? afterRest : segment.includes('*') || segment.includes('{') || segment.includes('}');
  if (bad) {
    throw new L7Error(
      'ERR_L7_TEMPLATE',
      `path template ${JSON.stringify(template)} is malformed at ${JSON.stringify(segment)}`,
      {
        hint: '{*} and {**} fill a whole segment, and {**} is the last operator',
      },
    );
  }
};

const matchesSegment = (value: string, wanted: string): boolean => (wanted === '{*}' ? value !== '' : value === wanted);

const matchesSegments = (values: readonly string[], wanted: readonly string[]): boolean =>
  values.length === wanted.length && wanted.every((segment, index) => matchesSegment(values[index] as string, segment));

const matchesHead = (path: string, head: readonly string[], tail: string): boolean => {
  const values = path.split('/');
  if (values.length <= head.length) return false;
  if (!head.every((segment, index) => matchesSegment(values[index] as string, segment))) return false;
  return values.slice(head.length).join('/').endsWith(tail);
};
