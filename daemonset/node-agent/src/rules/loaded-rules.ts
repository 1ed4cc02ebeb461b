// In: settings of a pod's rules. Out: the rules in the pod, and what they look like there, so that changes of others are seen from the first
// moment on. Called by apply.ts. Rules of the same settings look the same in every pod: they are printed once, not once per pod.
import type { PodRuleSettings } from './plan.ts';
import type { RuleBackend } from './rule-backend.ts';

/** The rules of a pod as they are. */
export interface RulesLook {
  /** The rules as text; equal texts mean equal rules. */
  readonly rules: string;
  /** Counts up with every change of rules in the namespace; undefined where the kernel does not count, or when it is not known since when. */
  readonly generation: number | undefined;
}

/** The kernel counts with 32 bits. */
const generationLimit = 2 ** 32;

/** Loads rules and knows what they look like. One per agent. */
export class LoadedRules {
  readonly #backend: Pick<RuleBackend, 'load' | 'generation' | 'print'>;
  /** What rules look like, by their settings: few are used on one node. */
  readonly #texts = new Map<string, string>();

  constructor(backend: Pick<RuleBackend, 'load' | 'generation' | 'print'>) {
    this.#backend = backend;
  }

  /** Gives a pod its rules. Returns what they look like when nobody else changes them. Throws ERR_NODE_AGENT_RULES. */
  async load(netns: number, settings: PodRuleSettings): Promise<RulesLook> {
    const before = this.#backend.generation(netns);
    const written = await this.#backend.load(netns, settings);
    const after = this.#backend.generation(netns);
    const isOurs = before !== undefined && after === (before + written) % generationLimit;
    const key = JSON.stringify(settings);
    const known = this.#texts.get(key);
    if (known !== undefined) return { rules: known, generation: isOurs ? after : undefined };
    const rules = await this.#backend.print(netns);
    const isStill = isOurs && this.#backend.generation(netns) === after;
    // What somebody else may have had a part in is the look of this pod, and says nothing about others.
    if (isStill) this.#texts.set(key, rules);
    return { rules, generation: isStill ? after : undefined };
  }

  /** The rules of a pod; where the kernel says that none was changed since `last`, they are taken from there. Throws ERR_NODE_AGENT_RULES. */
  async look(netns: number, last?: RulesLook): Promise<RulesLook> {
    // Before the rules are read: a change in between is seen the next time.
    const generation = this.#backend.generation(netns);
    const isSame = generation !== undefined && generation === last?.generation;
    return { generation, rules: isSame ? last.rules : await this.#backend.print(netns) };
  }
}
