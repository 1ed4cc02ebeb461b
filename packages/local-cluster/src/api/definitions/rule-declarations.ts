/** What a definition says with `x-kubernetes-validations`, checked when it is written (spec/local-cluster.md 6). Pure. */

import { compile } from '../cel/program.ts';
import { forbiddenField, invalidValue, notSupported, required } from '../field-error.ts';
import { isObject, listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { FieldProblem } from '../status.ts';
import { parseFieldPath } from './rule-path.ts';

/** Reasons a rule may give its refusal. */
export const ruleReasons: readonly string[] = [
  'FieldValueInvalid',
  'FieldValueForbidden',
  'FieldValueRequired',
  'FieldValueDuplicate',
];

/** The rule as the library prints it. */
const printed = (rule: JsonObject): JsonObject => ({
  Rule: textAt(rule, 'rule'),
  Message: textAt(rule, 'message'),
  MessageExpression: textAt(rule, 'messageExpression'),
  Reason: rule['reason'] ?? null,
  FieldPath: textAt(rule, 'fieldPath'),
  OptionalOldSelf: rule['optionalOldSelf'] ?? null,
});

const hasLineBreak = (text: string): boolean => text.includes('\n') || text.includes('\r');

function sourceProblems(rule: JsonObject, path: string, uncorrelated: string | undefined): FieldProblem[] {
  const source = textAt(rule, 'rule');
  if (source.trim() === '') return [required(`${path}.rule`, 'rule is not specified')];
  const program = compile(source);
  if ('error' in program) {
    return [invalidValue(`${path}.rule`, printed(rule), `compilation failed: ${program.error}`)];
  }
  const usesOld = program.uses('oldSelf');
  if (usesOld && uncorrelated !== undefined && rule['optionalOldSelf'] !== true) {
    const text = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`;
    return [invalidValue(`${path}.rule`, source, text)];
  }
  return !usesOld && rule['optionalOldSelf'] !== undefined
    ? [
        invalidValue(
          `${path}.optionalOldSelf`,
          rule['optionalOldSelf'],
          'may not be set if oldSelf is not used in rule',
        ),
      ]
    : [];
}

function messageProblems(rule: JsonObject, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { message, messageExpression } = rule;
  if (typeof message === 'string' && message !== '' && message.trim() === '') {
    problems.push(invalidValue(`${path}.message`, message, 'message must be non-empty if specified'));
  } else if (typeof message === 'string' && hasLineBreak(message)) {
    problems.push(invalidValue(`${path}.message`, message, 'must not contain line breaks'));
  } else if (hasLineBreak(textAt(rule, 'rule')) && (message === undefined || message === '')) {
    problems.push(required(`${path}.message`, 'must be specified if rule contains line breaks'));
  }
  if (typeof messageExpression === 'string' && messageExpression !== '') {
    const program = compile(messageExpression);
    if ('error' in program) {
      const text = `messageExpression compilation failed: ${program.error}`;
      problems.push(invalidValue(`${path}.messageExpression`, printed(rule), text));
    }
  }
  return problems;
}

/** Problems of the rules of one schema; `uncorrelated` names the list above it whose elements have no old value. */
export function ruleDeclarationProblems(
  schema: JsonObject,
  path: string,
  uncorrelated: string | undefined,
): FieldProblem[] {
  return listAt(schema, 'x-kubernetes-validations').flatMap((rule, index) => {
    const here = `${path}.x-kubernetes-validations[${index}]`;
    if (!isObject(rule)) return [forbiddenField(here, 'must be an object')];
    const problems = [...sourceProblems(rule, here, uncorrelated), ...messageProblems(rule, here)];
    const { reason, fieldPath } = rule;
    if (reason !== undefined && !(typeof reason === 'string' && ruleReasons.includes(reason))) {
      problems.push(notSupported(`${here}.reason`, reason, ruleReasons.toSorted()));
    }
    if (typeof fieldPath === 'string' && fieldPath !== '' && parseFieldPath(fieldPath, schema) === undefined) {
      problems.push(invalidValue(`${here}.fieldPath`, fieldPath, 'fieldPath must be a valid path'));
    }
    return problems;
  });
}
