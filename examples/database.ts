import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../lib/dev/embedded-postgres.ts'

/** Runs an example with the database of DATABASE_URL or, without it, with a PostgreSQL made for it. */
export async function withDatabase(example: (url: string) => Promise<void>): Promise<void> {
  const given = process.env['DATABASE_URL']
  if (given) return example(given)
  const postgres = await startTemporaryPostgres()
  try {
    await example(postgres.url)
  } finally {
    await postgres.remove()
  }
}

/** A PostgreSQL server in a temporary folder; `remove` ends it and leaves nothing behind. */
export async function startTemporaryPostgres(): Promise<{
  url: string
  remove: () => Promise<void>
}> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-postgres-'))
  const postgres = await startPostgres({ folder, durable: false })
  return {
    url: postgres.url,
    async remove() {
      await postgres.stop('immediate')
      for (const path of [folder, postgres.folder]) await rm(path, { recursive: true, force: true })
    },
  }
}
