import type { Finding } from '../base/finding.ts'
import type { KnownRun } from '../db/doctor/runs.ts'
import { listProcesses, readProcess, type ListedProcess } from '../step/process-list.ts'
import { describeProcesses } from './describe-processes.ts'
import { serverCookieName } from '../step/process-tree.ts'

/** A process of this machine that a step started, by the variables in its environment. */
interface StepProcess {
  readonly pid: number
  readonly startTicks: string
  readonly requestId: string
  readonly process: string
  readonly node: string
  readonly token: string
}

/** Reads what the database knows about requests; undefined when it cannot be asked. */
export type FindRuns = (ids: readonly string[]) => Promise<readonly KnownRun[] | undefined>

/** What a process that goes on means; nothing when it may. */
type Verdict = 'lost' | 'unproven' | 'elsewhere' | 'finished' | 'unknown' | 'unasked'

/**
 * Looks for processes of steps that nobody looks after any more. A service that a step left running on purpose is
 * one, too. Linux only; without root, only those of the same user are seen.
 */
export async function checkLeftoverProcesses(findRuns: FindRuns): Promise<Finding[]> {
  if (process.platform !== 'linux') return []
  const found = await listStepProcesses()
  if (found.length === 0) return []
  const runs = await findRuns([...new Set(found.map(({ requestId }) => requestId))])
  // What ended meanwhile has left nothing.
  const still = found.filter(isStillThere)
  if (!runs) return describe('unasked', still)
  const byId = new Map(runs.map(run => [run.id, run]))
  const verdicts = Map.groupBy(still, one => judge(one, byId.get(one.requestId)))
  return (['lost', 'unproven', 'elsewhere', 'finished', 'unknown'] as const).flatMap(verdict =>
    describe(verdict, verdicts.get(verdict) ?? []),
  )
}

async function listStepProcesses(): Promise<StepProcess[]> {
  const found: StepProcess[] = []
  for await (const listed of listProcesses()) {
    const step = readStep(listed)
    if (step) found.push(step)
  }
  return found
}

function readStep({ pid, startTicks, environment }: ListedProcess): StepProcess | undefined {
  if (!environment.includes(`${serverCookieName}=`)) return undefined
  const variables = new Map(
    environment
      .split('\0')
      .map(entry => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)]),
  )
  const requestId = variables.get('CLUSTER_REQUEST_ID') ?? ''
  // A program may have changed its variables; an id that is none would make the question fail.
  if (!/^\d{1,18}$/.test(requestId)) return undefined
  return {
    pid,
    startTicks,
    requestId,
    process: variables.get('CLUSTER_PROCESS') ?? '',
    node: variables.get('CLUSTER_NODE') ?? '',
    token: variables.get('CLUSTER_TOKEN') ?? '',
  }
}

function isStillThere({ pid, startTicks }: StepProcess): boolean {
  const now = readProcess(pid)
  return typeof now === 'object' && now.startTicks === startTicks
}

function judge(step: StepProcess, run: KnownRun | undefined): Verdict | undefined {
  // Another installation may use the same ids.
  if (!run || run.process !== step.process) return 'unknown'
  if (run.state === 'finished') {
    if (run.node !== step.node) return 'elsewhere'
    return run.reason === 'server_lost' ? 'lost' : 'finished'
  }
  // The step's token is that of the claim and the id.
  if (run.state !== 'running' || !step.token.startsWith(`${run.token}:`)) return 'elsewhere'
  return run.isProven ? undefined : 'unproven'
}

const descriptions: Record<Verdict, Omit<Finding, 'items' | 'command'>> = {
  lost: {
    name: 'process-of-lost-server',
    level: 'error',
    what: 'Processes go on whose request has failed because its server was lost.',
    why: 'They should have been stopped before the request failed; what they do now nobody records, and a new request for the same may run beside them.',
    todo: 'Look what they do and stop them, unless another installation on this machine has a request with this number. Processes that cleared their environment or belong to another user cannot be stopped by a guardian, nor when it was killed together with its server.',
  },
  unproven: {
    name: 'process-without-server',
    level: 'warning',
    what: 'Processes go on whose server does not prove that it is alive.',
    why: 'Its guardian, or the server itself, stops them when it is lost; if both are gone, nobody does.',
    todo: 'Look again in a minute. If they are still there, and the server is not, stop them.',
  },
  elsewhere: {
    name: 'process-of-other-run',
    level: 'warning',
    what: 'Processes go on for a request that another server runs or ran, or that waits.',
    why: 'Work may be done twice.',
    todo: 'Look what they do, and stop them.',
  },
  finished: {
    name: 'process-left-running',
    level: 'note',
    what: 'Processes go on whose request has finished.',
    why: 'This is right for a service that a step started on purpose.',
    todo: 'Nothing, if that was meant; otherwise stop them.',
  },
  unknown: {
    name: 'process-of-unknown-request',
    level: 'note',
    what: 'Processes of steps go on whose request this database does not know.',
    why: 'The request was removed after its retention, or belongs to another installation.',
    todo: 'Look what they do. Stop them if they are of no use.',
  },
  unasked: {
    name: 'processes-of-steps',
    level: 'note',
    what: 'Processes of steps run here; whether they should, only the database could tell.',
    why: 'Steps go on while the database is away, and their servers wait for it.',
    todo: 'Leave them alone, and look again when the database is back.',
  },
}

function describe(verdict: Verdict, steps: readonly StepProcess[]): Finding[] {
  return describeProcesses(
    descriptions[verdict],
    steps,
    ({ requestId, process }) => `request ${requestId} (${process})`,
  )
}
