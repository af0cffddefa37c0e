import type { Finding } from '../base/finding.ts'
import type { KnownLife } from '../db/doctor/lives.ts'
import { listProcesses, readProcess } from '../step/process-list.ts'
import { describeProcesses } from './describe-processes.ts'
import { readSourceUse, type SourceUseName } from '../step/source-mark.ts'

/** A process of this machine that the source of a component started, by its mark. */
interface SourceProgram extends SourceUseName {
  readonly pid: number
  readonly startTicks: string
}

/** Reads what the database knows about lives of servers; undefined when it cannot be asked. */
export type FindLives = (
  incarnations: readonly string[],
) => Promise<readonly KnownLife[] | undefined>

/** What a program that goes on means; nothing when it may. */
type Verdict = 'ended' | 'unproven' | 'unknown'

/**
 * Looks for programs of sources, such as `git` and those of commands that list and fetch versions, whose server is gone.
 * Without the database nothing is said: the servers go on with their checks and imports then. Linux only; without root,
 * only those of the same user are seen.
 */
export async function checkLeftoverPrograms(findLives: FindLives): Promise<Finding[]> {
  if (process.platform !== 'linux') return []
  const found = await listPrograms()
  if (found.length === 0) return []
  const lives = await findLives([...new Set(found.map(({ incarnation }) => incarnation))])
  if (!lives) return []
  const byNumber = new Map(lives.map(life => [life.incarnation, life]))
  // What ended meanwhile has left nothing.
  const verdicts = Map.groupBy(found.filter(isStillThere), one =>
    judge(one, byNumber.get(one.incarnation)),
  )
  return (['ended', 'unproven', 'unknown'] as const).flatMap(verdict =>
    describe(verdict, verdicts.get(verdict) ?? []),
  )
}

async function listPrograms(): Promise<SourceProgram[]> {
  const found: SourceProgram[] = []
  for await (const { pid, startTicks, environment } of listProcesses()) {
    const use = readSourceUse(environment)
    if (use) found.push({ ...use, pid, startTicks })
  }
  return found
}

function isStillThere({ pid, startTicks }: SourceProgram): boolean {
  const now = readProcess(pid)
  return typeof now === 'object' && now.startTicks === startTicks
}

function judge({ node }: SourceProgram, life: KnownLife | undefined): Verdict | undefined {
  // Another installation may use the same numbers.
  if (!life || life.node !== node) return 'unknown'
  if (life.state !== 'alive') return 'ended'
  return life.isProven ? undefined : 'unproven'
}

const descriptions: Record<Verdict, Omit<Finding, 'items' | 'command'>> = {
  ended: {
    name: 'program-of-ended-server',
    level: 'error',
    what: 'Programs of sources go on although the server that asked the source has ended.',
    why: 'They should have been stopped with it. What they fetch nobody publishes; but they take the network and the disk, and what else they do goes on beside the next check or import of the same component.',
    todo: 'Look what they do and stop them, unless another installation on this machine has a server of this name. Programs that cleared their environment or belong to another user cannot be stopped by a guardian, nor when it was killed together with its server.',
  },
  unproven: {
    name: 'program-without-server',
    level: 'warning',
    what: 'Programs of sources go on whose server does not prove that it is alive.',
    why: 'Its guardian, or the server itself, stops them when it is lost; if both are gone, nobody does.',
    todo: 'Look again in a minute. If they are still there, and the server is not, stop them.',
  },
  unknown: {
    name: 'program-of-unknown-server',
    level: 'note',
    what: 'Programs of sources go on whose server this database does not know.',
    why: 'They belong to another installation, or the database was restored to a time before their server began.',
    todo: 'Look what they do. Stop them if they are of no use.',
  },
}

function describe(verdict: Verdict, programs: readonly SourceProgram[]): Finding[] {
  return describeProcesses(
    descriptions[verdict],
    programs,
    ({ node, token }) => `server ${node}, log ${token}`,
  )
}
