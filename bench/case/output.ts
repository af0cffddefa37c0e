import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Cluster } from '../../lib/index.ts'
import type { Place } from '../arena.ts'
import type { Case, Sample } from '../case.ts'
import { untilNothingIsLeft, withWorkers } from '../drain.ts'
import { now } from '../ledger.ts'
import { amountOf, type Plan } from '../plan.ts'
import { watchMemory } from '../process-usage.ts'

const mebibyte = 1024 * 1024
const line = 'the quick brown fox jumps over the lazy dog, and the log keeps every line of it'

/** A command that writes a lot. */
export const outputCase: Case = {
  name: 'output',
  title: plan =>
    `output of one command, ${bytesOf(plan) / 1e6} MB in lines of ${line.length + 1} bytes`,
  metrics: [
    { name: 'rate', unit: 'MB/s', better: 'more' },
    { name: 'memory', unit: 'MiB more', better: 'less' },
  ],
  entrants: [
    {
      name: 'cluster-worker',
      contender: 'cluster-worker',
      isPeer: false,
      measure: (arena, plan) =>
        arena.inDatabase('cluster-worker', place => measureRequest(place, bytesOf(plan))),
    },
    {
      name: 'pipe into a file',
      contender: 'bare',
      isPeer: false,
      measure: async (_arena, plan) => ({ rate: await measurePipe(bytesOf(plan)) }),
    },
  ],
  bars: [
    { metric: 'rate', of: 'cluster-worker', to: 'pipe into a file', atLeast: 0.5 },
    { metric: 'memory', of: 'cluster-worker', to: 'itself', atMost: 64 },
  ],
  isQuick: true,
}

function bytesOf(plan: Plan): number {
  return amountOf(plan, 1000) * 100_000
}

async function measureRequest(place: Place, bytes: number): Promise<Sample> {
  const { client, session, url } = place
  const cluster = new Cluster({ connectionString: url })
  const settings = { concurrency: 1, outputLimit: 2 * bytes }
  try {
    return await withWorkers(place, { jobs: 1, kinds: ['output'], settings }, async workers => {
      await Promise.all(workers.map(worker => worker.start()))
      const memory = watchMemory(workers[0]?.pid ?? 0)
      await cluster.enqueue('output', { line, bytes })
      await untilNothingIsLeft(client)
      const used = memory.stop()
      const { rows } = await session.query<{ seconds: number; bytes: number }>(`
        select extract(epoch from finished_at - started_at)::float8 as seconds,
          (select sum(octet_length(text))::float8 from cluster_worker.log where stream = 'stdout') as bytes
        from cluster_worker.finished where outcome = 'succeeded'`)
      if (rows[0]?.bytes !== bytes)
        throw new Error(`expected ${bytes} bytes in the log, got ${rows[0]?.bytes}`)
      const memoryMore = (Math.max(...used) - (used[0] ?? 0)) / mebibyte
      return { rate: bytes / 1e6 / rows[0].seconds, ...(used.length > 1 && { memory: memoryMore }) }
    })
  } finally {
    await cluster.stop()
  }
}

/** The same command, its output piped by Node.js into a file. */
async function measurePipe(bytes: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-bench-output-'))
  try {
    const file = join(folder, 'output')
    const begunAt = now()
    const env = { ...process.env, LINE: line, BYTES: String(bytes) }
    const child = spawn('sh', ['-c', 'yes "$LINE" | head -c "$BYTES"'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    await pipeline(child.stdout, createWriteStream(file))
    const seconds = (now() - begunAt) / 1000
    const { size } = await stat(file)
    if (size !== bytes) throw new Error(`expected a file of ${bytes} bytes, got ${size}`)
    return bytes / 1e6 / seconds
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
