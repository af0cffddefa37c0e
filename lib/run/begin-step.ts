import { channel } from 'node:diagnostics_channel'
import { stepChannel, type StepBegins } from '../base/step-channel.ts'
import type { Run } from './run-context.ts'
import type { StepJournal, StepPlace } from './step-journal.ts'

/** Notes that a step begins, and then tells whoever in this program listens, just before it does. */
export async function beginStep(
  { journal, process }: Pick<Run, 'journal' | 'process'>,
  place: StepPlace,
): ReturnType<StepJournal['begin']> {
  const finish = await journal.begin(place)
  channel(stepChannel).publish({ ...place, process: process.name } satisfies StepBegins)
  return finish
}
