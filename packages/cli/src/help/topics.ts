// In: an id. Out: what it means and where to look. Reads the generated references of this package. Called by command.ts.
import { readFileSync } from 'node:fs';
import { packageFile } from '../package-file.ts';
import { checkTopics } from '../check/topics.ts';

interface Topic {
  readonly where: string;
  readonly meaning: string;
}

const errors = (): Readonly<Record<string, Topic>> =>
  JSON.parse(readFileSync(packageFile('error-reference.json'), 'utf8')) as Record<string, Topic>;

/** Text of a topic; undefined when there is none of that name. */
export function explainTopic(topic: string): string | undefined {
  const id = topic.trim();
  if (id.startsWith('ERR_')) {
    const known = errors();
    const found = Object.hasOwn(known, id) ? known[id] : undefined;
    return found === undefined ? undefined : `${id}\n${found.meaning}\nraised by: ${found.where}`;
  }
  const name = id.startsWith('check/') ? id.slice('check/'.length) : undefined;
  if (name !== undefined && Object.hasOwn(checkTopics, name)) return `${id}\n${checkTopics[name]}`;
  return undefined;
}
