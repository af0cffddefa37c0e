import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Place } from '../arena.ts'
import type { Case, Sample } from '../case.ts'
import { withWorkers } from '../drain.ts'
import { now } from '../ledger.ts'
import { processorTime } from '../process-usage.ts'

const processes = 4
const serversEach = 15
const servers = processes * serversEach
/** Not scaled: PostgreSQL counts the statements of a session up to a second late. */
const measuredMs = 20_000

/** For what starting them left to do, and until the connections that it took are closed. */
const settleMs = 17_000

/** What servers cost PostgreSQL that have nothing to do. */
export const idleCase: Case = {
  name: 'idle',
  title: () =>
    `${servers} idle servers for ${measuredMs / 1000} s; the processor time is extrapolated to 100, in proportion`,
  metrics: [
    { name: 'statements', unit: '/s and server', better: 'less' },
    { name: 'processor', unit: '% of a core for 100', better: 'less' },
  ],
  entrants: [
    {
      name: 'cluster-worker',
      contender: 'cluster-worker',
      isPeer: false,
      measure: arena => arena.inDatabase('cluster-worker', measure),
    },
  ],
  bars: [
    { metric: 'statements', of: 'cluster-worker', to: 'itself', atMost: 2 },
    { metric: 'processor', of: 'cluster-worker', to: 'itself', atMost: 5 },
  ],
  isQuick: false,
  isOnce: true,
}

async function measure(place: Place): Promise<Sample> {
  // Their guardians never ask the database; without them there is room for more servers.
  const settings = { servers: serversEach, concurrency: 10, guardian: false }
  return withWorkers(place, { jobs: 1, workers: processes, settings }, async workers => {
    await Promise.all(workers.map(worker => worker.start()))
    await delay(settleMs)
    const before = await look(place.session)
    await delay(measuredMs)
    const after = await look(place.session)
    const seconds = (after.at - before.at) / 1000
    const { processorMs: from } = before
    const { processorMs: to } = after
    return {
      // Without what asking for it took.
      statements: (after.transactions - before.transactions - before.own) / seconds / servers,
      ...(from !== undefined &&
        to !== undefined && { processor: (((to - from) / 10 / seconds) * 100) / servers }),
    }
  })
}

interface Look {
  readonly at: number
  /** Each statement outside of a transaction is one. */
  readonly transactions: number
  /** How many of those a look makes. */
  readonly own: number
  readonly processorMs: number | undefined
}

async function look(session: pg.Client): Promise<Look> {
  const { rows: backends } = await session.query<{ pid: number }>(
    'select pid from pg_stat_activity where pid <> pg_backend_pid()',
  )
  const { rows } = await session.query<{ transactions: number }>(`
    select (xact_commit + xact_rollback)::float8 as transactions
    from pg_stat_database where datname = current_database()`)
  return {
    at: now(),
    transactions: rows[0]?.transactions ?? 0,
    own: 2,
    processorMs: processorTime(backends.map(({ pid }) => pid)),
  }
}
