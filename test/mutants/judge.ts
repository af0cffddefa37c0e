import type { Mutant } from './mutant.ts'
import type { TapRun } from './run-tap.ts'

/**
 * What became of a mutant. `broken`: it was no mistake that could have been made, but something that does not run,
 * or its test failed for another reason than the test itself.
 */
export type Verdict = 'caught' | 'survived' | 'broken'

/** What PostgreSQL and Node.js say of a text that is no program. */
const nonsense =
  /syntax error at or near|SyntaxError|ReferenceError|(column|relation|operator|type) .* does not exist/

/** Judges by the test that the mutant names, and by nothing else. */
export function judge({ subtest }: Mutant, run: TapRun): Verdict {
  if (nonsense.test(run.output)) return 'broken'
  if (run.failed.includes(subtest)) return 'caught'
  return run.isGood ? 'survived' : 'broken'
}
