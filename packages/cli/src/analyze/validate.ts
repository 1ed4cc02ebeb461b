// `ambit validate`. In: files. Out: one verdict per file, and the exit status. The rules are those of admission. Called by command.ts.
import { validateObject } from '@ambit/model/validate/index';
import type { KubernetesObject } from '@ambit/resources';
import { kindNamesOf } from '@ambit/resources/kind-table';
import { parseDocuments } from '@ambit/resources/parse-documents';
import { messageOf } from '@ambit/runtime/errors';
import { exitStatus } from '../output/exit-status.ts';
import { readTexts } from './files.ts';

const nameOf = (object: KubernetesObject): string =>
  `${object.kind ?? ''}/${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

/** Checks the files. Returns 0, 3 when an object would be refused, 65 when a file cannot be read. */
export function validate(names: readonly string[]): number {
  let status: number = exitStatus.done;
  for (const { name, text } of readTexts(names, true)) {
    let objects: readonly KubernetesObject[];
    try {
      objects = parseDocuments(text);
    } catch (error) {
      process.stderr.write(`"${name}": ${messageOf(error)}\n`);
      status = exitStatus.data;
      continue;
    }
    const verdicts = objects
      .filter((object) => kindNamesOf(object) !== undefined)
      .map((object) => ({ object, verdict: validateObject(object) }));
    for (const { object, verdict } of verdicts) {
      for (const warning of verdict.warnings) process.stderr.write(`warning: ${nameOf(object)}: ${warning}\n`);
      for (const error of verdict.errors) process.stderr.write(`error: ${nameOf(object)}: ${error}\n`);
    }
    if (verdicts.some(({ verdict }) => verdict.errors.length > 0)) {
      if (status === exitStatus.done) status = exitStatus.no;
    } else process.stdout.write(`"${name}" is valid\n`);
  }
  return status;
}
