import type { Case } from './case.ts'
import { commandsCase } from './case/commands.ts'
import { crowdedCases } from './case/crowded.ts'
import { drainCase } from './case/drain.ts'
import { drainVariants } from './case/drain-variants.ts'
import { enqueueCases } from './case/enqueue.ts'
import { idleCase } from './case/idle.ts'
import { latencyCase } from './case/latency.ts'
import { longRunCase } from './case/long-run.ts'
import { outputCase } from './case/output.ts'
import { stepsCase } from './case/steps.ts'

/** All cases, in the order of the report. */
export const cases: readonly Case[] = [
  drainCase,
  ...drainVariants,
  stepsCase,
  latencyCase,
  ...enqueueCases,
  commandsCase,
  outputCase,
  ...crowdedCases,
  idleCase,
  longRunCase,
]
