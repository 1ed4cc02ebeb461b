/**
 * Whether one or all of many tests hold. Pure; used by compiled matches and policies on the data thread. Loops instead of `some` and
 * `every`: those need a function for every question, and a request asks dozens.
 */

/** True when one of the tests holds. */
export const anyHolds = <T>(tests: readonly ((value: T) => boolean)[], value: T): boolean => {
  for (let index = 0; index < tests.length; index++) if ((tests[index] as (value: T) => boolean)(value)) return true;
  return false;
};

/** True when all of the tests hold. */
export const allHold = <T>(tests: readonly ((value: T) => boolean)[], value: T): boolean => {
  for (let index = 0; index < tests.length; index++) if (!(tests[index] as (value: T) => boolean)(value)) return false;
  return true;
};
