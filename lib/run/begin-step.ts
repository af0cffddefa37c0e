import { channel, hasSubscribers } from 'node:diagnostics_channel'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { stepChannel, type StepBegins } from '../base/step-channel.ts'
import type { Run } from './run-context.ts'
import type { BegunStep, StepPlace } from './step-journal.ts'

type RunToTell = Pick<Run, 'journal' | 'process'>

/** Notes that a step begins, and then tells whoever in this program listens, just before it does. */
export function beginStep(run: RunToTell, place: StepPlace): MaybePromise<BegunStep> {
  const beginning = run.journal.begin(place)
  if (beginning instanceof Promise) return tellThen(beginning, run, place)
  tell(run, place)
  return beginning
}

async function tellThen(
  beginning: Promise<BegunStep>,
  run: RunToTell,
  place: StepPlace,
): Promise<BegunStep> {
  const begun = await beginning
  tell(run, place)
  return begun
}

function tell({ process }: RunToTell, place: StepPlace): void {
  if (!hasSubscribers(stepChannel)) return
  channel(stepChannel).publish({ ...place, process: process.name } satisfies StepBegins)
}
