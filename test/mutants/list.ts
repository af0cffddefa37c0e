import { claimMutants } from './list/claim.ts'
import { databaseMutants } from './list/database.ts'
import { endingMutants } from './list/ending.ts'
import { guardianMutants } from './list/guardian.ts'
import { livenessMutants } from './list/liveness.ts'
import { requestMutants } from './list/requests.ts'
import type { Mutant } from './mutant.ts'

/** The mistakes of others, each planted in our code, with the test that sees it. */
export const mutants: readonly Mutant[] = [
  ...claimMutants,
  ...endingMutants,
  ...livenessMutants,
  ...guardianMutants,
  ...databaseMutants,
  ...requestMutants,
]
