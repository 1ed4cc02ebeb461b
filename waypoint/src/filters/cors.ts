/** Step 7b: cross-origin rules of the chosen rule (spec/waypoint.md 3.1, 3.9). Data thread. */
import type { Filter } from './request-context.ts';

/** Answers preflights; decorates other responses. */
export const cors: Filter = ({ route, request, onResponse }) => {
  const rule = route?.cors;
  if (rule === undefined) return undefined;
  const answer = rule.preflight(request.method, request.headers);
  if (answer !== undefined) return answer;
  const asked = request.headers.clone();
  onResponse.push((response) => rule.decorate(asked, response));
  return undefined;
};
