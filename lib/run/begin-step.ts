import { channel, hasSubscribers } from 'node:diagnostics_channel'
import { stepChannel, type StepBegins } from '../base/step-channel.ts'
import type { Run } from './run-context.ts'
import type { EndStep, StepPlace } from './step-journal.ts'

type RunToTell = Pick<Run, 'journal' | 'process'>

/** Notes that a step begins, and then tells whoever in this program listens, just before it does. */
export function beginStep(run: RunToTell, place: StepPlace): EndStep | Promise<EndStep> {
  const beginning = run.journal.begin(place)
  if (beginning instanceof Promise) return tellThen(beginning, run, place)
  tell(run, place)
  return beginning
}

async function tellThen(
  beginning: Promise<EndStep>,
  run: RunToTell,
  place: StepPlace,
): Promise<EndStep> {
  const end = await beginning
  tell(run, place)
  return end
}

function tell({ process }: RunToTell, place: StepPlace): void {
  if (!hasSubscribers(stepChannel)) return
  channel(stepChannel).publish({ ...place, process: process.name } satisfies StepBegins)
}
