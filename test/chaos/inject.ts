import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from './fleet.ts'
import type { Done, History } from './history.ts'
import type { Member } from './member.ts'
import { describePlanned, type Planned } from './schedule.ts'

/** How long a fault waits for a server that is not there yet, in milliseconds. */
const patienceMs = 4000

/** Does each fault at its moment; resolves when the last one is over. */
export async function injectSchedule(
  schedule: readonly Planned[],
  fleet: Fleet,
  history: History,
  { onLine, signal }: { onLine: (line: string) => void; signal: AbortSignal },
): Promise<void> {
  const startedAt = performance.now()
  const underWay: Promise<void>[] = []
  for (const planned of schedule) {
    await delay(Math.max(0, planned.atMs - (performance.now() - startedAt)), undefined, { signal })
    onLine(describePlanned(planned))
    underWay.push(inject(planned, fleet, history, onLine))
  }
  await Promise.all(underWay)
}

async function inject(
  planned: Planned,
  fleet: Fleet,
  history: History,
  onLine: (line: string) => void,
): Promise<void> {
  const member = fleet.members[planned.member] as Member
  const lateAt = performance.now() + patienceMs
  while (planned.on === 'server' && !member.life && performance.now() < lateAt) await delay(20)
  if (planned.on === 'server' && !member.life) {
    history.skipped.push(planned)
    return
  }
  const done: Done = history.begin(planned, member)
  try {
    history.end(done, await planned.fault.inject(fleet, member))
  } catch (error) {
    history.end(done, false)
    onLine(`${planned.kind} could not be done: ${String(error)}`)
  }
}
